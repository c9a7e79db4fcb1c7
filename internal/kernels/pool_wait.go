package kernels

import "time"

// spinTime is how long an idle worker polls for the next round before it sleeps:
// longer than the work between two products, which one thread does, and a few times
// what waking a sleeper costs. Longer would take the core from another process that
// shares it.
const spinTime = 30 * time.Microsecond

// awaitRound returns the number of an open round other than seen: it polls for
// spinTime and then sleeps. It counts as asleep first and looks again after, so a
// round that opens in between is not missed.
func (p *Pool) awaitRound(w *worker, seen uint64) uint64 {
	for {
		for start := time.Now(); time.Since(start) < spinTime; {
			if r, ok := p.opened(seen); ok {
				return r
			}
		}
		w.fallAsleep()
		if r, ok := p.opened(seen); ok {
			w.stayAwake()
			return r
		}
		w.sleep()
	}
}

// opened says whether a round other than seen is open, or the pool is closed.
func (p *Pool) opened(seen uint64) (uint64, bool) {
	r := p.round.Load()
	return r, r&1 == 1 && r != seen || p.closed.Load()
}

// wakeUp wakes up to n workers if they sleep, but not the one of the CPU that the
// caller computes on.
func (p *Pool) wakeUp(n int) {
	here := p.callersCPU()
	for _, w := range p.crew {
		if n == 0 {
			return
		}
		if w.cpu == here && here != anyCPU {
			continue
		}
		w.wake()
		n--
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
		p.caller.fallAsleep()
		if p.active.Load() == 0 {
			p.caller.stayAwake()
			return
		}
		p.caller.sleep()
	}
}
