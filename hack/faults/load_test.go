package main

import (
	"testing"
	"time"
)

// A client that waits for the first token of its next answer has stalled as well.
func TestAStallBetweenAnswersIsAGap(t *testing.T) {
	l := &load{last: make([]time.Time, 1)}
	at := time.Unix(1e6, 0)
	l.begin(0, at)
	l.token(0, at.Add(time.Millisecond))
	l.token(0, at.Add(3*time.Millisecond))
	l.begin(0, at.Add(4*time.Millisecond)) // the next answer
	if open := l.open(); len(open) != 1 || open[0] <= 0 {
		t.Errorf("open gaps %v, want that of the request", open)
	}
	l.token(0, at.Add(2*time.Second))
	if g := l.gaps(); len(g) != 3 || g[2] != 1996*time.Millisecond {
		t.Errorf("gaps %v, want one of the request", g)
	}
}
