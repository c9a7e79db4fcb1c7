package main

import (
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// timerSlack in nanoseconds is how much later than asked the kernel may end a sleep;
// 50 us unless told.
const timerSlack = 500_000

// timersSet marks a process that has been through coarseTimers.
const timersSet = "OLMOE_TIMERS=coarse"

// coarseTimers starts this program again, as the same process, with timers that may
// be late by timerSlack. The Go runtime watches its threads from one that sleeps for
// 20 us at a time while there is work; with the default slack that is 9000 wake-ups a
// second and process, each of which takes a CPU from the arithmetic (docs/adr/0116).
// That thread exists before main does, and takes its slack from whoever starts the
// program. Where the kernel refuses, all goes on as before.
func coarseTimers() {
	if slices.Contains(os.Environ(), timersSet) {
		return
	}
	runtime.LockOSThread() // exec keeps the slack of the calling thread
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, timerSlack, 0, 0, 0) != nil {
		return
	}
	_ = unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), timersSet))
}

// computes says whether arguments start a role that does arithmetic.
func computes(args []string) bool {
	return len(args) > 1 && (args[1] == "router" || args[1] == "expert-node")
}
