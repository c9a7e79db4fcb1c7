package dispatch

import (
	"sync/atomic"
	"time"
)

var begun = time.Now()

// instant is a time that goroutines share without a lock. It is kept by the
// monotonic clock, for the other one may be set at any moment. The zero value is
// when the program began.
type instant struct{ since atomic.Int64 } // begun, in nanoseconds

func (i *instant) set(t time.Time) { i.since.Store(int64(t.Sub(begun))) }

func (i *instant) get() time.Time { return begun.Add(time.Duration(i.since.Load())) }

// swap sets it and tells what it was.
func (i *instant) swap(t time.Time) time.Time {
	return begun.Add(time.Duration(i.since.Swap(int64(t.Sub(begun)))))
}
