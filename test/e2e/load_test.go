//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

const loadClients = 3 // enough to always have requests in flight on a machine of two cores

// load is traffic that goes on while something is done to the cluster.
type load struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu       sync.Mutex
	answered int
	longest  time.Duration
	gaps     []gap             // between the pieces of an answer
	last     map[int]time.Time // of each client's running answer: its last piece, or its start
	errors   []string
}

// startLoad has each client ask its question again and again, every second one over new connections; every answer
// must be the known one.
func startLoad(t *testing.T, to endpoint, clients []known) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for i, k := range clients {
		to := to
		to.fresh = i%2 == 0
		l.wait.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				err := to.again(t.Context(), k)
				l.record(time.Since(start), err)
			}
		})
	}
	return l
}

// startStreams is startLoad with streamed answers, whose gaps are measured.
func startStreams(t *testing.T, to endpoint, clients []known) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel, last: map[int]time.Time{}}
	for i, k := range clients {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				start, pieces := time.Now(), 0
				l.piece(i, start, false)
				got, _, err := to.chatStream(t.Context(), k.question, func() {
					l.piece(i, time.Now(), pieces > 0)
					pieces++
				})
				if err == nil {
					err = k.check(got)
				}
				l.record(time.Since(start), err)
				if err != nil {
					time.Sleep(50 * time.Millisecond) // where nobody listens it comes at once
				}
			}
		})
	}
	return l
}

// piece notes that a client's stream goes on; the time to the first piece is no gap.
func (l *load) piece(client int, now time.Time, between bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if between {
		l.gaps = append(l.gaps, gap{l.last[client], now.Sub(l.last[client])})
	}
	l.last[client] = now
}

// gap is the time between two pieces of an answer.
type gap struct {
	began time.Time
	took  time.Duration
}

// stalls describes gaps.
type stalls struct {
	n            int
	p50, p99     time.Duration
	longest      time.Duration
	longestBegan time.Time
}

func (s stalls) String() string {
	return fmt.Sprintf("%d gaps of %s (median), %s (99 %%), %s (longest)", s.n,
		s.p50.Round(time.Millisecond), s.p99.Round(time.Millisecond), s.longest.Round(time.Millisecond))
}

// stalls are the gaps since the last call, those that have not ended yet with them.
func (l *load) stalls() stalls {
	l.mu.Lock()
	defer l.mu.Unlock()
	gaps := l.gaps
	l.gaps = nil
	for _, last := range l.last {
		gaps = append(gaps, gap{last, time.Since(last)})
	}
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.took, b.took) })
	n := len(gaps)
	if n == 0 {
		return stalls{}
	}
	return stalls{n: n, p50: gaps[n/2].took, p99: gaps[n*99/100].took, longest: gaps[n-1].took, longestBegan: gaps[n-1].began}
}

func (l *load) record(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered++
	l.longest = max(l.longest, took)
	if err != nil {
		l.errors = append(l.errors, fmt.Sprintf("%s after %s: %v", time.Now().Format("15:04:05.000"), took.Round(time.Millisecond), err))
	}
}

// stop ends the traffic and fails the test unless every request was answered, and answered the same.
func (l *load) stop(t *testing.T) {
	t.Helper()
	for _, e := range l.end(t) {
		t.Error(e)
	}
}

// end ends the traffic and returns what went wrong.
func (l *load) end(t *testing.T) []string {
	t.Helper()
	l.cancel()
	l.wait.Wait()
	t.Logf("%d requests, %d failed, longest %s", l.answered, len(l.errors), l.longest.Round(time.Millisecond))
	if l.answered == 0 {
		t.Error("no request was made: the traffic shows nothing")
	}
	return l.errors
}
