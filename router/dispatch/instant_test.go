package dispatch

import (
	"testing"
	"time"
	"unsafe"
)

// stepped is the same moment after somebody has set the wall clock: the monotonic
// reading stays.
func stepped(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	set := at
	*(*uint64)(unsafe.Pointer(&set)) += uint64(int64(by/time.Second) << 30) // where time.Time has its wall seconds
	if set.Sub(at) != 0 || set.UnixNano()-at.UnixNano() != int64(by) {
		t.Fatalf("%v and %v are not the same moment, %v apart by the wall clock", at, set, by)
	}
	return set
}

// Somebody sets the clock while an only owner owes an answer: that it is silent
// shows neither sooner nor later.
func TestSilenceDoesNotGoByTheWallClock(t *testing.T) {
	for _, tt := range []struct {
		name      string
		by, after time.Duration
		silent    bool
	}{
		{"frozen, and the clock goes back", -time.Minute, 2 * silentMost, true},
		{"late, and the clock goes forward", time.Minute, silentLeast / 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := router(t, nil)
			n, sent := &node{d: d, name: "a"}, time.Now()
			n.lives(sent.Add(time.Millisecond))
			s := &shard{node: n, sent: sent, slots: []int32{0}}
			newCall(d).mayBeSilent(s, stepped(t, sent.Add(tt.after), tt.by))
			if n.isSilent() != tt.silent {
				t.Errorf("silent after %s: %v", tt.after, n.isSilent())
			}
		})
	}
}

func TestDemotionDoesNotGoByTheWallClock(t *testing.T) {
	n, now := &node{}, time.Now()
	n.demote(now)
	if n.rank(stepped(t, now.Add(demoteFirst/2), time.Minute)) != demotedRank {
		t.Error("it ends sooner when the clock goes forward")
	}
	if n.rank(stepped(t, now.Add(demoteFirst), -time.Minute)) != 0 {
		t.Error("it ends later when the clock goes back")
	}
}
