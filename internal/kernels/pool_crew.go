package kernels

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// anyCPU is the CPU of a worker that the kernel may put anywhere.
const anyCPU = -1

// worker is a thread of a pool.
type worker struct {
	sleeper
	cpu int // that it is bound to, or anyCPU
}

// newCrew is one worker less than asked for, since the caller of Run works too.
//
// Only where the pool has all CPUs that the process may use, it is one bound worker
// for each, and the caller takes the place of the one whose CPU it is on. The kernel
// looks for no idle CPU when a small machine is busy: it leaves a woken thread on the
// waker's CPU, behind the waker, for a millisecond or more (docs/adr/0115).
func newCrew(workers int) []*worker {
	if workers == 1 {
		return nil
	}
	if cpus := allowedCPUs(); len(cpus) == workers {
		return crewOn(cpus)
	}
	free := make([]int, workers-1)
	for i := range free {
		free[i] = anyCPU
	}
	return crewOn(free)
}

func crewOn(cpus []int) []*worker {
	crew := make([]*worker, len(cpus))
	for i, cpu := range cpus {
		crew[i] = &worker{cpu: cpu}
	}
	return crew
}

// allowedCPUs are the numbers of the CPUs that this process may run on, ascending;
// nil if the kernel does not tell.
func allowedCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cpus []int
	for cpu := 0; len(cpus) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// bind keeps the calling thread on the worker's CPU. Where that is forbidden the
// thread runs anywhere: slower, and as right.
func (w *worker) bind() {
	if w.cpu == anyCPU {
		return
	}
	var set unix.CPUSet
	set.Set(w.cpu)
	_ = unix.SchedSetaffinity(0, &set)
}

// callersCPU is the CPU that the caller is on if the crew is bound, else anyCPU.
func (p *Pool) callersCPU() int {
	if len(p.crew) == 0 || p.crew[0].cpu == anyCPU {
		return anyCPU
	}
	return currentCPU()
}

// ownProcs is how many threads may run Go code at once by the runtime's own choice:
// the CPUs, or the container's limit of them.
var ownProcs = runtime.GOMAXPROCS(0)

var procs struct {
	sync.Mutex
	more int
}

// moreProcs lets n more threads run Go code at once (fewer if n is negative). A worker
// that sleeps in the kernel may count as running for as long as 10 ms, and nobody
// who waits for the network may have to wait for that.
func moreProcs(n int) {
	procs.Lock()
	defer procs.Unlock()
	procs.more += n
	runtime.GOMAXPROCS(ownProcs + procs.more)
}
