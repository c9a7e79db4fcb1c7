package controllers_test

import "testing"

// TestConflictsAreNoErrors: a round that has read the pool before its last write is made
// again, and is no error.
func TestConflictsAreNoErrors(t *testing.T) {
	w := newWorld(t)
	w.outdated.Store(5)
	w.create("demo", model+"expertNodes: 1")
	w.untilReady()
	if left := w.outdated.Load(); left >= 0 {
		t.Errorf("%d writes are still to be refused", left)
	}
	if n := w.conflicts.Load(); n > 0 {
		t.Errorf("%d rounds ended with an error", n)
	}
}
