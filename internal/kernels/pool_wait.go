package kernels

import "time"

// spinTime is how long an idle worker polls for the next round before it
// parks: about the cost of waking a parked one. Longer would take the core
// from another process that shares it.
const spinTime = 5 * time.Microsecond

// awaitRound returns the number of an open round other than seen: it polls for
// spinTime and then parks.
func (p *Pool) awaitRound(seen uint64) uint64 {
	for {
		for start := time.Now(); time.Since(start) < spinTime; {
			if r := p.round.Load(); r&1 == 1 && r != seen {
				return r
			}
			if p.closed.Load() {
				return seen
			}
		}
		p.park(seen)
		if r := p.round.Load(); (r&1 == 1 && r != seen) || p.closed.Load() {
			return r
		}
	}
}

// park sleeps until wakeUp. It counts itself as sleeping first and looks again
// after, so a round that opens in between is not missed.
func (p *Pool) park(seen uint64) {
	p.sleeping.Add(1)
	if r := p.round.Load(); (r&1 == 1 && r != seen) || p.closed.Load() {
		if p.takeSleeper() {
			return // not counted any more: no token will come
		}
	}
	<-p.wake
}

// takeSleeper lowers the number of sleepers by one if there are any.
func (p *Pool) takeSleeper() bool {
	for {
		s := p.sleeping.Load()
		if s == 0 {
			return false
		}
		if p.sleeping.CompareAndSwap(s, s-1) {
			return true
		}
	}
}

// wakeUp wakes up to n sleeping workers.
func (p *Pool) wakeUp(n int) {
	for range n {
		if !p.takeSleeper() {
			return
		}
		p.wake <- struct{}{} // has room for every worker
	}
}

// awaitIdle returns when no worker is inside the round: it polls for spinTime
// and then sleeps until the last worker leaves.
func (p *Pool) awaitIdle() {
	for start := time.Now(); time.Since(start) < spinTime; {
		if p.active.Load() == 0 {
			return
		}
	}
	for p.active.Load() != 0 {
		p.waiting.Store(true)
		if p.active.Load() == 0 && p.waiting.CompareAndSwap(true, false) {
			return
		}
		<-p.done
	}
}
