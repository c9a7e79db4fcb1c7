package kernels

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Pool is a fixed set of threads that share the indices of one Run at a time. A
// nil Pool runs everything on the caller.
type Pool struct {
	busy    sync.Mutex // held for one round
	workers int

	// One round. f, n and most are written before round turns odd (open) and not
	// again until round is even (closed) and active is 0.
	f      func(int)
	n      int
	most   int           // indices handed out at once
	next   atomic.Int64  // next index to hand out
	round  atomic.Uint64 // odd while a round is open
	active atomic.Int64  // workers that may touch f
	failed atomic.Pointer[PanicError]

	crew   []*worker
	caller sleeper // while it waits for the last worker
	closed atomic.Bool

	mm matMulRound
}

// PanicError is what Run panics with when f panicked on any goroutine of the
// pool. It unwraps to the panic's value if that is an error, so that a fault on
// an unreadable page (a runtime.Error with an Addr method) can be told apart.
type PanicError struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

func (e *PanicError) Error() string { return fmt.Sprintf("%v\n\n%s", e.Value, e.Stack) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Threads is n, or for 0 as many as the CPUs that this process may use (its
// container's limit included).
func Threads(n int) int {
	if n > 0 {
		return n
	}
	return ownProcs
}

// NewPool makes a pool that works on the given number of cores: the caller of
// Run and workers-1 of its threads, which live until Close.
func NewPool(workers int) *Pool {
	workers = max(workers, 1)
	p := &Pool{workers: workers, crew: newCrew(workers)}
	p.mm.init()
	moreProcs(len(p.crew))
	for _, w := range p.crew {
		go p.work(w)
	}
	return p
}

// Workers is the number of goroutines that compute, the caller included.
func (p *Pool) Workers() int {
	if p == nil {
		return 1
	}
	return p.workers
}

// Run calls f(0) … f(n-1), each once, spread over the workers, and returns when
// all are done. Indices are handed out one by one as workers get free. If the
// pool is busy (called from inside f, or from a second goroutine) the caller
// computes everything itself, so nothing can deadlock.
//
// A panic of f stops the round: Run panics with a *PanicError after all workers
// have left f, and the pool stays usable. What ran on the caller alone panics
// with the bare value. Faults on memory-mapped pages are such panics too.
func (p *Pool) Run(n int, f func(i int)) {
	if p == nil || p.workers == 1 || n == 1 || !p.busy.TryLock() {
		runInline(n, f)
		return
	}
	defer p.busy.Unlock()
	p.runLocked(n, 1, f)
}

func runInline(n int, f func(int)) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	for i := range n {
		f(i)
	}
}

// runLocked opens a round, takes part in it, and closes it. It does not wait
// for workers that have not yet woken up: they find the round closed. Up to most
// neighbouring indices go to one worker.
func (p *Pool) runLocked(n, most int, f func(int)) {
	p.f, p.n, p.most = f, n, most
	p.next.Store(0)
	p.round.Add(1)
	p.wakeUp(n - 1)
	p.share()
	p.round.Add(1)
	p.awaitIdle()
	p.f = nil
	if e := p.failed.Swap(nil); e != nil {
		panic(e)
	}
}

// share takes indices until none is left.
func (p *Pool) share() {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			p.failed.CompareAndSwap(nil, &PanicError{Value: v, Stack: debug.Stack()})
			p.next.Store(int64(p.n)) // nobody starts another index
		}
	}()
	for lo, hi := p.take(); lo < hi; lo, hi = p.take() {
		for ; lo < hi; lo++ {
			p.f(lo)
		}
	}
}

// take hands out the next indices, fewer towards the end, where workers should get
// ready together: half of an even share of what is left (guided self-scheduling,
// Polychronopoulos and Kuck 1987).
func (p *Pool) take() (lo, hi int) {
	for {
		next := p.next.Load()
		left := p.n - int(next)
		if left <= 0 {
			return 0, 0
		}
		n := max(1, min(p.most, left/(2*p.workers)))
		if p.next.CompareAndSwap(next, next+int64(n)) {
			return int(next), int(next) + n
		}
	}
}

// work is the life of one worker. Its thread ends with it, for it is never unlocked.
func (p *Pool) work(w *worker) {
	runtime.LockOSThread()
	w.bind()
	seen := uint64(0)
	for {
		seen = p.awaitRound(w, seen)
		if p.closed.Load() {
			return
		}
		// active first, then round: either the caller sees active and waits, or
		// this worker sees that the round is closed and keeps away from f.
		p.active.Add(1)
		if p.round.Load() == seen {
			p.share()
		}
		if p.active.Add(-1) == 0 {
			p.caller.wake()
		}
	}
}

// Close ends the workers. No Run may be under way or follow.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	if p.closed.Swap(true) {
		return
	}
	for _, w := range p.crew {
		w.wake()
	}
	moreProcs(-len(p.crew))
}
