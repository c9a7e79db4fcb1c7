package engine

// A prompt that waits for KV pages does not hold up all that come after it: those for which
// there is room pass it. What a step contains changes no answer (invariant 1), so that this
// is about latency alone.

// passes bounds how many may pass a sequence: each takes pages that it waits for, and none
// may starve (invariant 8). It is also how many of those behind it a step looks at.
const passes = 16

// pass lets sequences that fit go before the first, for which there is no room. One that
// has begun, and was preempted, nobody passes: its client is in the middle of an answer.
// The caller holds mu.
func (q *queue) pass(first *sequence, fits, take func(*sequence) bool) {
	if first.queued.IsZero() {
		return
	}
	at := first.place.Next()
	for looks := 0; at != nil && looks < passes && first.passed < passes; looks++ {
		s := sequenceAt(at)
		at = at.Next()
		if !fits(s) || !q.reap(s) && !take(s) {
			continue
		}
		if !s.ended {
			first.passed++
		}
		q.remove(s)
	}
}
