package main

import (
	"os"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// How much later than asked the kernel may end a sleep, in nanoseconds; 50 us unless told.
const (
	watchSlack = 5_000_000 // of the thread that watches the others
	ownSlack   = 500_000   // of all others
)

// manyThreads is more than a process has when main begins: the runtime starts a few for
// its own goroutines, at most one for each CPU, and some in a row for those that wait.
var manyThreads = runtime.GOMAXPROCS(0) + 8

// timersSet marks a process that has been through coarseTimers.
const timersSet = "OLMOE_TIMERS=coarse"

// coarseTimers starts this program again, as the same process, with timers that may
// be late. The Go runtime watches its threads from one that sleeps for 20 us at a time
// while there is work; with the default slack that is 9000 wake-ups a second and process,
// each of which takes a CPU from the arithmetic (docs/adr/0116). That thread exists
// before main does, and takes its slack from whoever starts the program; it runs no
// goroutine, so it alone keeps it. Where the kernel refuses, all goes on as before.
func coarseTimers() {
	if slices.Contains(os.Environ(), timersSet) {
		ownTimers()
		return
	}
	runtime.LockOSThread() // exec keeps the slack of the calling thread
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, watchSlack, 0, 0, 0) != nil {
		return
	}
	_ = unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), timersSet))
	setOwnSlack() // there is no new process
}

// ownTimers gives the threads that run goroutines their own slack. Threads that are made
// later take it from those that make them: one of these, or the one that LockOSThread
// starts for it when it is first called, from the calling thread. One that was busy, or
// is made by the watching thread, may keep the larger slack: its timers are then late by
// that, and no more.
func ownTimers() {
	setOwnSlack()
	runtime.LockOSThread() // now, while the thread's slack is known
	defer runtime.UnlockOSThread()
	onThreads(manyThreads, setOwnSlack)
	onThreads(2*manyThreads, setOwnSlack) // one thread was idle, ready for what comes next
}

// onThreads runs f on n threads at once. Each waits for the last, so that none is taken
// twice.
func onThreads(n int, f func()) {
	var all, done sync.WaitGroup
	all.Add(n)
	for range n {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			f()
			all.Done()
			all.Wait()
		})
	}
	done.Wait()
}

func setOwnSlack() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, ownSlack, 0, 0, 0) }

// computes says whether arguments start a role that does arithmetic.
func computes(args []string) bool {
	return len(args) > 1 && (args[1] == "router" || args[1] == "expert-node")
}
