package kernels

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleeper lets one thread sleep until another one wakes it. The kernel wakes the
// thread itself (futex(2)): through a channel the Go scheduler would first wake some
// other thread, which waits and looks around before it takes the work.
type sleeper struct {
	asleep atomic.Uint32 // 1: asleep or about to be
}

// The operations of futex(2), on memory of this process alone.
const (
	futexWait = 0 | 128
	futexWake = 1 | 128
)

// fallAsleep announces sleep. Then the sleeper looks whether there is something to
// do, and calls stayAwake if there is and sleep if not.
func (s *sleeper) fallAsleep() { s.asleep.Store(1) }

func (s *sleeper) stayAwake() { s.asleep.Store(0) }

// sleep returns after a wake that came later than fallAsleep.
func (s *sleeper) sleep() {
	for s.asleep.Load() == 1 {
		// An error is a wake-up too (EINTR), or says that asleep is 0 by now (EAGAIN).
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.asleep)), futexWait, 1, 0, 0, 0)
	}
}

// wake wakes the sleeper if it sleeps. A wake-up too many only makes it look again.
func (s *sleeper) wake() {
	if s.asleep.CompareAndSwap(1, 0) {
		_, _, _ = unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&s.asleep)), futexWake, 1, 0, 0, 0)
	}
}

// currentCPU is the number of the CPU that this thread is on, for the moment.
func currentCPU() int {
	var cpu uint32
	_, _, _ = unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0)
	return int(cpu)
}
