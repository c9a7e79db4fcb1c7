package main

import (
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Threads that run goroutines have their own slack, but for the few that ownTimers
// could not reach. In a process of its own: in this one other tests have made threads
// that make others.
func TestThreadsHaveTheirOwnSlack(t *testing.T) {
	const alone = "OLMOE_TEST_ALONE"
	if os.Getenv(alone) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v", err)
		}
		t.Logf("%s", out)
		return
	}
	ownTimers()
	var others atomic.Int32
	onThreads(manyThreads, func() {
		if got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || got != ownSlack {
			others.Add(1)
			t.Logf("a thread has a slack of %d ns, not %d (%v)", got, ownSlack, err)
		}
	})
	if n := int(others.Load()); n > manyThreads/2 {
		t.Errorf("%d of %d threads have another slack", n, manyThreads)
	}
}
