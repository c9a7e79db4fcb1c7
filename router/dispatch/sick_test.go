package dispatch

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// fault is something that a node does instead of answering.
type fault struct {
	name   string
	do     func(n *fakeNode, s *fakeStream, in *wire.In)
	reason string // of the retries that must be counted
}

// says is a node that answers with an Error frame.
func says(c wire.Code) func(*fakeNode, *fakeStream, *wire.In) {
	return func(_ *fakeNode, s *fakeStream, in *wire.In) {
		_ = s.send(wire.NewError(in.Call, &wire.Failure{Code: c, Message: "test"}))
	}
}

var faults = []fault{
	{"killed", func(n *fakeNode, _ *fakeStream, _ *wire.In) { n.server.Stop() }, "Stream"},
	{"corrupt frame", func(n *fakeNode, s *fakeStream, in *wire.In) {
		o, _ := n.answer(in)
		b := o.Bytes()
		b[len(b)-3] ^= 4
		_ = s.send(o)
	}, "Stream"},
	{"oversize frame", func(_ *fakeNode, s *fakeStream, in *wire.In) {
		h := in.Header
		h.Rows, h.Pairs, h.Hidden = 1, 1100, 1<<14
		o := wire.NewResponse(&h, wire.Float32, wire.Timing{})
		o.Seal()
		_ = s.send(o)
	}, "Stream"},
	{"answer of another size", func(_ *fakeNode, s *fakeStream, in *wire.In) {
		h := in.Header
		h.Pairs++
		o := wire.NewResponse(&h, wire.Float32, wire.Timing{})
		o.Seal()
		_ = s.send(o)
	}, "Stream"},
	{"time below zero", func(_ *fakeNode, s *fakeStream, in *wire.In) {
		o := wire.NewResponse(&in.Header, wire.Float32, wire.Timing{Compute: -1})
		o.Seal()
		_ = s.send(o)
	}, "Stream"},
	{"frame of a router's kind", func(_ *fakeNode, s *fakeStream, in *wire.In) {
		_ = s.send(wire.NewRequest(wire.RequestID{Call: in.Call}, 1, wire.Float32, []uint16{1}, []uint16{0}, []float32{1}, []int32{0}))
	}, "Stream"},
	{"not held", says(wire.NotHeld), "NotHeld"},
	{"draining", says(wire.Draining), "Draining"},
	{"overloaded", says(wire.Overloaded), "Overloaded"},
	{"broken", says(wire.Broken), "Broken"},
	{"bad request", says(wire.BadRequest), "BadRequest"},
	{"an error of another version", says(wire.Code(99)), "Unknown"},
	{"slow", func(*fakeNode, *fakeStream, *wire.In) {}, "Timeout"},
}

// Each fault happens to the first requests of one of two owners, or to all of them; every
// call must come back right, computed by the other or by the same node later (invariant 2).
func TestFaultsDoNotReachTheCaller(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) { f.hits(t, 2, 4, 0) })
		t.Run(f.name+", for ever", func(t *testing.T) { f.hits(t, 1<<30, 100, 400*time.Millisecond) })
	}
}

// hits makes calls, and for so long unless it strikes thrice sooner (a stream that broke
// takes a while to come back), while the fault happens to so many requests.
func (f *fault) hits(t *testing.T, times int64, calls int, least time.Duration) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	var hit atomic.Int64
	a.fault = func(s *fakeStream, in *wire.In) bool {
		if hit.Add(1) > times {
			return false
		}
		f.do(a, s, in)
		return true
	}
	d := router(t, func(o *Options) {
		o.RequestTimeout = patience
		if f.reason == "Timeout" {
			o.RequestTimeout = 100 * time.Millisecond
		}
	})
	d.Apply(place(small, 1, a, b))
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	for i, begun := 0, time.Now(); i < calls || hit.Load() < 3 && time.Since(begun) < least; i++ {
		if err := newTask(small, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7).do(context.Background(), d); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if got := counter(t, d, f.reason); got == 0 {
		t.Errorf("no retry counted for %s", f.reason)
	}
}

// A node that calls requests wrong is asked last, and its log line comes once, not with
// every call.
func TestANodeThatCallsRequestsWrongRanksLast(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	a.fault = func(s *fakeStream, in *wire.In) bool { says(wire.BadRequest)(a, s, in); return true }
	var lines []string
	d := router(t, func(o *Options) {
		o.Log = funcr.New(func(_, line string) {
			if strings.Contains(line, "calls a request wrong") {
				lines = append(lines, line)
			}
		}, funcr.Options{})
	})
	d.Apply(place(small, 1, a, b))
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	w := newTask(small, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7)
	for range 3 {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		d.nodes["a"].demoted.set(time.Now().Add(time.Hour)) // however slow the machine is
	}
	if asked := a.requests.Load(); asked != 1 || d.nodes["a"].losses.Load() != 1 {
		t.Errorf("the sick node was asked %d times by 3 calls, and lost %d times: want once", asked, d.nodes["a"].losses.Load())
	}
	if len(lines) != 1 || !strings.Contains(lines[0], `"node"="a"`) || !strings.Contains(lines[0], `"why"="test"`) {
		t.Errorf("lines %q, want one that names the node and what it said", lines)
	}
}

// applyWithOneOwner gives all experts two owners but expert 3, which is a's alone.
func applyWithOneOwner(t *testing.T, d *Dispatcher, a, b *fakeNode) {
	t.Helper()
	d.Apply(&placement.Document{Revision: 1, Serving: placed(small, 1, func(_, e int) []*fakeNode {
		if e == 3 {
			return []*fakeNode{a}
		}
		return []*fakeNode{a, b}
	}, a, b)})
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
}

// Nor is one asked that cannot compute, by every call again, while there is another; the only
// owner is: a call does not wait for the end of that.
func TestANodeThatCannotComputeRanksLast(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	var well atomic.Bool
	a.fault = func(s *fakeStream, in *wire.In) bool {
		if well.Load() {
			return false
		}
		says(wire.Broken)(a, s, in)
		return true
	}
	d := router(t, nil)
	applyWithOneOwner(t, d, a, b)
	for range 3 {
		if err := newTask(small, 0, 1, 0, 1, 2, 4).do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		d.nodes["a"].demoted.set(time.Now().Add(time.Hour)) // however slow the machine is
	}
	if asked := a.requests.Load(); asked != 1 || d.nodes["a"].losses.Load() != 1 {
		t.Errorf("it was asked %d times by 3 calls, and lost %d times: want once", asked, d.nodes["a"].losses.Load())
	}
	well.Store(true)
	if err := newTask(small, 0, 1, 3).do(context.Background(), d); err != nil {
		t.Errorf("an expert without another owner: %v", err)
	}
}

// A request that every node calls wrong is the router's fault: the call fails, with a
// node's words, after at most two nodes were asked for a pair (invariant 8).
func TestBadRequestIsReported(t *testing.T) {
	bad := func(n *fakeNode) func(*fakeStream, *wire.In) bool {
		return func(s *fakeStream, in *wire.In) bool { says(wire.BadRequest)(n, s, in); return true }
	}
	for _, c := range []struct{ nodes, want int64 }{{1, 1}, {2, 2}, {3, 2}} {
		var all []*fakeNode
		for i := range c.nodes {
			n := startFake(t, small, string(rune('a'+i)), "127.0.0.1:0")
			n.fault = bad(n)
			all = append(all, n)
		}
		d := router(t, nil)
		d.Apply(place(small, 1, all...))
		await(t, "all connected", func() bool {
			for _, n := range d.Status().Nodes {
				if !n.Ready {
					return false
				}
			}
			return true
		})
		err := newTask(small, 0, 1, 0).do(context.Background(), d)
		var f *wire.Failure
		if !errors.As(err, &f) || f.Code != wire.BadRequest || !strings.Contains(err.Error(), "expert node ") {
			t.Errorf("%d nodes: error %v, want a node's", c.nodes, err)
		}
		var asked int64
		for _, n := range all {
			asked += n.requests.Load()
		}
		if asked != c.want {
			t.Errorf("%d nodes: %d requests, want %d", c.nodes, asked, c.want)
		}
	}
}

// An owner that the call avoids for a moment lives: it is waited for.
func TestTheOtherOwnerMayBeBusy(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	a.fault = func(s *fakeStream, in *wire.In) bool { says(wire.BadRequest)(a, s, in); return true }
	var full atomic.Int64
	b.fault = func(s *fakeStream, in *wire.In) bool {
		if full.Add(1) > 3 {
			return false
		}
		says(wire.Overloaded)(b, s, in)
		return true
	}
	d := router(t, nil)
	d.Apply(place(small, 1, a, b))
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	if err := newTask(small, 0, 1, 0).do(context.Background(), d); err != nil {
		t.Error(err)
	}
}

// A sick node with an expert of its own fails the calls for that one alone.
func TestTheOnlyOwnerCallsARequestWrong(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	a.fault = func(s *fakeStream, in *wire.In) bool { says(wire.BadRequest)(a, s, in); return true }
	d := router(t, nil)
	applyWithOneOwner(t, d, a, b)
	if err := newTask(small, 0, 1, 0, 1, 2).do(context.Background(), d); err != nil {
		t.Errorf("experts with another owner: %v", err)
	}
	var f *wire.Failure
	if err := newTask(small, 0, 1, 2, 3).do(context.Background(), d); !errors.As(err, &f) || f.Code != wire.BadRequest {
		t.Errorf("an expert without one: %v, want the node's error", err)
	}
}
