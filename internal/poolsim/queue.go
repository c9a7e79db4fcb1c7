package poolsim

import "math"

// station is one expert node as a queue, per frame and layer: multiplied by the
// rate of frames it gives the load.
type station struct {
	work    float64 // mean seconds of work, all layers together
	square  float64 // sum over layers of the mean square of a frame's work
	rows    float64 // part of work that is arithmetic
	chosen  float64 // mean number of experts read
	squared float64 // sum over experts of the square of that
	frames  float64 // mean number of layers in which a frame comes here
}

// state is what a station does at some rate of frames.
type state struct {
	busy     float64 // part of the time that it computes
	queue    float64 // mean seconds before a request's computation begins
	response float64 // mean seconds until it is answered
}

// at is the stationary state at so many frames a second and layer.
//
// Without batches this is the M/G/1 queue: an arrival finds work
// V = rate E[S^2] / 2(1-u) (Pollaczek and Khinchine). A node takes all that waits
// as one batch, which is answered when the batch ends (ADR 0044). An arrival sees
// x of the batch under way, in which as much work came before it as will come
// after it, so V = x + u x; it waits x for its batch to begin, and then for the
// work of 2x at u, and for its own.
//
// Frames of a batch share reads: of those that want an expert, one reads it. The
// longer a batch gathers, the fewer reads a frame; what that makes of V, and V of
// the time that a batch gathers, is solved by bisection.
func (s *station) at(rate float64) state {
	load := rate * s.work
	if load == 0 {
		return state{response: s.service()}
	}
	perPair := rate * s.squared / max(s.chosen, minFrames)
	low, high := 0.0, maxWait
	var v, u float64
	for range 30 { // 10 s / 2^30 is 10 ns
		w := (low + high) / 2
		u, v = s.found(rate, perPair*w)
		if gather := 2 * v / (1 + u) / max(u, 1e-9); gather > w {
			low = w
		} else {
			high = w
		}
	}
	x := v / (1 + u)
	return state{busy: u, queue: x, response: s.service() + x*(1+2*u)}
}

// service is the mean time of a frame that comes here, alone.
func (s *station) service() float64 { return s.work / max(s.frames, minFrames) }

// minFrames keeps a node without work from dividing by zero.
const minFrames = 1e-12

// maxWait bounds every wait: routers do not wait longer for a node (s).
const maxWait = 10.0

// found is the utilisation, and the work that an arrival finds, when n frames on
// average want an expert while a batch gathers. A batch costs the reads, or its
// rows where these take longer; the number of reads varies less than that of
// frames, by e^-n.
func (s *station) found(rate, n float64) (u, v float64) {
	rows := s.rows / s.work
	left := max(share(n), rows)
	u = rate * s.work * left
	if u >= 1 {
		return 1, maxWait
	}
	return u, min(maxWait, rate*s.square*left*max(math.Exp(-n), rows)/(2*(1-u)))
}

// share is the part of n wanted reads that is left when those that wait together
// are made once: (1-e^-n)/n for a Poisson number of mean n.
func share(n float64) float64 {
	if n < 1e-6 {
		return 1
	}
	return -math.Expm1(-n) / n
}
