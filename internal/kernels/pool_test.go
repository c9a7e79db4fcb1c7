package kernels

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPoolRunsEachIndexOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		p := NewPool(workers)
		for _, n := range []int{0, 1, 2, 7, 1000} {
			counts := make([]atomic.Int32, n)
			p.Run(n, func(i int) { counts[i].Add(1) })
			for i := range counts {
				if got := counts[i].Load(); got != 1 {
					t.Errorf("%d workers, n=%d: index %d ran %d times", workers, n, i, got)
				}
			}
		}
		p.Close()
	}
}

// Neighbours go to one worker, and at the end each takes little.
func TestPoolHandsOutNeighbours(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	for _, n := range []int{0, 1, 7, 100, 1000} {
		p.n, p.most = n, 16
		p.next.Store(0)
		at, before := 0, 16
		for lo, hi := p.take(); lo < hi; lo, hi = p.take() {
			if lo != at || hi-lo > before || hi-lo > max(1, (n-lo)/4) {
				t.Fatalf("n=%d: [%d, %d) after %d, %d at once before", n, lo, hi, at, before)
			}
			at, before = hi, hi-lo
		}
		if at != n {
			t.Errorf("n=%d: %d were handed out", n, at)
		}
	}
	counts := make([]atomic.Int32, 1000)
	p.busy.Lock()
	p.runLocked(len(counts), 16, func(i int) { counts[i].Add(1) })
	p.busy.Unlock()
	for i := range counts {
		if got := counts[i].Load(); got != 1 {
			t.Errorf("index %d ran %d times", i, got)
		}
	}
}

func TestNilPoolRunsInline(t *testing.T) {
	var p *Pool
	sum := 0 // unsynchronised on purpose: one goroutine
	p.Run(10, func(i int) { sum += i })
	if sum != 45 || p.Workers() != 1 {
		t.Errorf("sum %d, workers %d; want 45, 1", sum, p.Workers())
	}
	p.Close()
}

// Rounds follow each other at once and after pauses that let workers park.
func TestPoolManyRounds(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	var total atomic.Int64
	for round := range 3000 {
		p.Run(round%9, func(i int) { total.Add(int64(i)) })
		if round%500 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	want := int64(0)
	for round := range 3000 {
		n := int64(round % 9)
		want += n * (n - 1) / 2
	}
	if total.Load() != want {
		t.Errorf("sum over rounds %d, want %d", total.Load(), want)
	}
}

func TestPoolUsesItsWorkers(t *testing.T) {
	const workers = 3
	p := NewPool(workers)
	defer p.Close()
	var gate sync.WaitGroup
	gate.Add(workers)
	p.Run(workers, func(int) { gate.Done(); gate.Wait() }) // ends only if 3 run at once
}

func TestPoolNestedAndConcurrentRuns(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	var total atomic.Int64
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 50 {
				p.Run(5, func(int) { p.Run(3, func(int) { total.Add(1) }) })
			}
		})
	}
	callers.Wait()
	if total.Load() != 4*50*15 {
		t.Errorf("%d inner calls, want %d", total.Load(), 4*50*15)
	}
}

func TestPoolPanicReachesCaller(t *testing.T) {
	cause := errors.New("boom")
	p := NewPool(3)
	defer p.Close()
	for bad := range 40 {
		got := recovered(func() {
			p.Run(40, func(i int) {
				if i == bad {
					panic(cause)
				}
			})
		})
		if err, ok := got.(*PanicError); !ok || !errors.Is(err, cause) || len(err.Stack) == 0 {
			t.Fatalf("index %d: Run ended with %v, want a PanicError that wraps %v", bad, got, cause)
		}
	}
	ran := atomic.Int32{}
	p.Run(100, func(int) { ran.Add(1) })
	if ran.Load() != 100 {
		t.Errorf("after panics the pool ran %d of 100 indices", ran.Load())
	}
}

func TestPoolCloseEndsWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		p := NewPool(8)
		p.Run(100, func(int) {})
		p.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines left, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// An idle pool must leave the core to others: its workers sleep.
func TestPoolIdleWorkersSleep(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	p.Run(100, func(int) {})
	awake := func() (n int) {
		for _, w := range p.crew {
			n += 1 - int(w.asleep.Load())
		}
		return n
	}
	for deadline := time.Now().Add(5 * time.Second); awake() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d workers are awake after 5 s", awake(), len(p.crew))
		}
		time.Sleep(time.Millisecond)
	}
	cpu := cpuTime(t)
	time.Sleep(100 * time.Millisecond)
	if used := cpuTime(t) - cpu; used > 50*time.Millisecond {
		t.Errorf("an idle process took %v of CPU time in 100 ms", used)
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestCrewIsBoundOnlyWhereItHasAllCPUs: on a machine with CPUs to spare the kernel
// finds free ones by itself, and one may be busy with somebody else's work.
func TestCrewIsBoundOnlyWhereItHasAllCPUs(t *testing.T) {
	cpus := allowedCPUs()
	if len(cpus) == 0 {
		t.Fatal("no CPU is allowed")
	}
	for _, workers := range []int{1, 2, len(cpus), len(cpus) + 1} {
		crew := newCrew(workers)
		bound := workers == len(cpus) && workers > 1
		want := workers - 1
		if bound {
			want = workers
		}
		if len(crew) != want {
			t.Fatalf("%d workers: crew of %d, want %d", workers, len(crew), want)
		}
		for i, w := range crew {
			if bound && w.cpu != cpus[i] || !bound && w.cpu != anyCPU {
				t.Errorf("%d workers on CPUs %v: worker %d is bound to %d", workers, cpus, i, w.cpu)
			}
		}
	}
}

// Every wake-up counts: rounds with pauses between them, in which workers fall asleep.
func TestPoolWakesSleepers(t *testing.T) {
	for _, workers := range []int{max(2, len(allowedCPUs())), len(allowedCPUs()) + 1} { // bound and not
		p := NewPool(workers)
		defer p.Close()
		for range 200 {
			var both sync.WaitGroup
			both.Add(2)
			p.Run(2, func(int) { both.Done(); both.Wait() }) // ends only if a second thread comes
			time.Sleep(2 * spinTime)
		}
	}
}

// Threads that sleep in the kernel may take no place from the others.
func TestPoolsGiveBackTheirProcs(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	p := NewPool(3)
	if n := runtime.GOMAXPROCS(0); n != before+len(p.crew) {
		t.Errorf("GOMAXPROCS %d with %d workers, %d before", n, len(p.crew), before)
	}
	if Threads(0) != ownProcs {
		t.Errorf("Threads(0) is %d, want the machine's %d", Threads(0), ownProcs)
	}
	p.Close()
	p.Close()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("GOMAXPROCS %d after Close, %d before", n, before)
	}
}
