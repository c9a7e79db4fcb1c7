package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

// All threads that run goroutines have their own slack.
func TestThreadsHaveTheirOwnSlack(t *testing.T) {
	ownTimers()
	onThreads(manyThreads, func() {
		if got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || got != ownSlack {
			t.Errorf("a thread has a slack of %d ns, want %d (%v)", got, ownSlack, err)
		}
	})
}
