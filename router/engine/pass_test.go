package engine_test

import (
	"context"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// full is an engine whose cache has room for one of two long requests, the first of which
// runs, and the requests that wait behind the second.
type full struct {
	*rig
	all     []*engine.Request
	streams []<-chan engine.Event
}

// passing starts one, with so many short requests behind the long ones. The first step has
// begun when it returns.
func passing(t *testing.T, short int) (f full, begun <-chan struct{}, let chan<- struct{}) {
	t.Helper()
	l := limits()
	l.KVBytes = 20 * pageBytes
	f = full{rig: start(t, l), all: []*engine.Request{drawing(text(1, 150), 100, 1), drawing(text(2, 150), 100, 2)}}
	for i := range short {
		f.all = append(f.all, drawing(text(3+i, 10), 2, uint64(3+i)))
	}
	begun, let = f.stepwise(t)
	for i, req := range f.all {
		f.streams = append(f.streams, f.submit(t, context.Background(), req))
		if i == 0 {
			<-begun
		}
	}
	return f, begun, let
}

// end lets all end, and compares the answers to those of an engine with room for all.
func (f *full) end(t *testing.T, let chan<- struct{}) {
	t.Helper()
	f.experts.set(nil)
	close(let)
	reference := forgetful(t, limits())
	for i, ch := range f.streams {
		same(t, f.rig, reference, f.all[i], collect(t, ch))
	}
	f.settled(t, "olmoe_engine_kv_pages_used", 0)
}

// A short prompt does not wait behind one that waits for room, and no answer changes.
func TestAShortPromptPassesOneWithoutRoom(t *testing.T) {
	f, begun, let := passing(t, 2)
	let <- struct{}{}
	<-begun
	if running, queued := f.metric(t, "olmoe_engine_running_sequences"), f.metric(t, "olmoe_engine_queued_sequences"); running != 3 || queued != 1 {
		t.Errorf("%g run and %g wait, want the first and both short ones, and the second", running, queued)
	}
	f.end(t, let)
}

// So many pass it, and no more: it does not starve (invariant 8).
func TestFewPassOneWithoutRoom(t *testing.T) {
	const passes, more = 16, 5
	f, begun, let := passing(t, passes+more)
	for range 20 { // the first one's prompt takes a few, and its answer more
		let <- struct{}{}
		<-begun
	}
	if done, queued := f.metric(t, "olmoe_engine_finished_total"), f.metric(t, "olmoe_engine_queued_sequences"); done != passes || queued != 1+more {
		t.Errorf("%g have passed and %g wait, want %d and %d", done, queued, passes, 1+more)
	}
	f.end(t, let)
}
