package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// The only owner dies in the middle of a call and comes back on its address: the
// call goes on by itself, within about a second of the return.
func TestANodeThatRestartsIsFoundAgain(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	a.fault = func(*fakeStream, *wire.In) bool { go a.server.Stop(); return true }
	d := router(t, nil)
	d.Apply(place(small, 1, a))
	done := make(chan error, 1)
	go func() { done <- newTask(small, 0, 3, 0, 1, 2).do(context.Background(), d) }()
	await(t, "the call waits", func() bool { return d.metrics.waiting.Load() == 1 })
	startFake(t, small, "a", a.address)
	back := time.Now()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Logf("found again %s after its return", time.Since(back))
	if since := time.Since(back); since > 5*time.Second {
		t.Errorf("found again after %s", since)
	}
}

// Invariant 2: waiting is bounded, and the error names what is missing.
func TestWaitingIsBounded(t *testing.T) {
	a := startFake(t, small, "a", "127.0.0.1:0")
	a.held = without(a.held, 2, 5)
	gone := startFake(t, small, "gone", "127.0.0.1:0")
	gone.server.Stop()
	none := func(int, int) []*fakeNode { return nil }
	tests := []struct {
		name string
		doc  *placement.Document
		want []string
	}{
		{"no placement", nil, []string{"no placement yet"}},
		{"not loaded", place(small, 1, a), []string{"layer 2 expert 5", "a (has not loaded it)", "1 (row, expert) pairs"}},
		{"not reachable", place(small, 1, gone), []string{"layer 2 expert", "gone (not connected", "refused"}},
		{"not placed", &placement.Document{Serving: placed(small, 7, none, a)}, []string{"none in placement epoch 7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const wait = 300 * time.Millisecond
			d := router(t, func(o *Options) { o.MaxWait = wait })
			if tt.doc != nil {
				d.Apply(tt.doc)
			}
			begun := time.Now()
			err := newTask(small, 2, 1, 4, 5).do(context.Background(), d)
			if !errors.Is(err, ErrNotReady) {
				t.Fatalf("error %v, want ErrNotReady", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if took := time.Since(begun); took < wait || took > wait+5*time.Second {
				t.Errorf("waited %s, want about %s", took, wait)
			}
			if got := d.metrics.waiting.Load(); got != 0 {
				t.Errorf("%d calls count as waiting afterwards", got)
			}
		})
	}
}

// A node that accepts connections and never answers, with no other owner, is
// waited for as long as MaxWait allows.
func TestAHangingNodeIsBounded(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	n.fault = func(*fakeStream, *wire.In) bool { return true }
	d := router(t, func(o *Options) { o.MaxWait, o.RequestTimeout = 300*time.Millisecond, 50*time.Millisecond })
	d.Apply(place(small, 1, n))
	err := newTask(small, 0, 1, 0).do(context.Background(), d)
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v, want ErrNotReady that says so", err)
	}
	if n.requests.Load() != 1 {
		t.Errorf("asked %d times, want once: a second request only adds load", n.requests.Load())
	}
}

// One call finds out that a node is silent; the next ones go to the other owner
// at once, until the node answers again.
func TestASilentNodeDelaysOneCall(t *testing.T) {
	a, b := startFake(t, small, "a", "127.0.0.1:0"), startFake(t, small, "b", "127.0.0.1:0")
	release := make(chan struct{})
	a.fault = func(*fakeStream, *wire.In) bool { <-release; return false }
	const timeout = 300 * time.Millisecond
	d := router(t, func(o *Options) { o.RequestTimeout = timeout })
	d.Apply(place(small, 1, a, b))
	await(t, "both connected", func() bool { s := d.Status(); return s.Nodes[0].Ready && s.Nodes[1].Ready })
	w := newTask(small, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7)
	for range 5 {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	if asked := a.requests.Load(); asked != 1 {
		t.Errorf("the silent node was asked %d times by 5 calls, want once", asked)
	}
	close(release)
	await(t, "its late answer came", func() bool { return lateCount(d) == 1 })
	await(t, "it is asked again, once it has been last for a second", func() bool {
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		return a.requests.Load() > 1
	})
}

func TestCancelReturnsAtOnce(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	release := make(chan struct{})
	n.fault = func(*fakeStream, *wire.In) bool { <-release; return false }
	d := router(t, nil)
	d.Apply(place(small, 1, n))
	ctx, cancel := context.WithCancel(context.Background())
	w := newTask(small, 0, 1, 0)
	out := make([]float32, len(w.want))
	done := make(chan error, 1)
	go func() { done <- d.Do(ctx, 0, w.x, 1, w.ids, out) }()
	await(t, "the request is there", func() bool { return n.requests.Load() == 1 })
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Do goes on after its context has ended")
	}
	// The answer that comes now has no call; the caller's memory stays as it is.
	close(release)
	await(t, "the late answer is counted", func() bool { return lateCount(d) == 1 })
	for i, v := range out {
		if v != 0 {
			t.Fatalf("out[%d] = %v, written after Do returned", i, v)
		}
	}
}

// Nodes that must not be used say so in Status, with what to do.
func TestForeignNodesAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeNode)
		want   string
	}{
		{"another model", func(n *fakeNode) { n.fingerprint = "beef" }, "fingerprint beef, this router f00d: give all pods the same checkpoint"},
		{"another node", func(n *fakeNode) { n.name = "z" }, `is "z", not "a"`},
		{"another size", func(n *fakeNode) { n.hidden = 32 }, "hidden 32; this router's"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := startFake(t, small, "a", "127.0.0.1:0")
			doc := place(small, 1, n)
			tt.change(n)
			d := router(t, nil)
			d.Apply(doc)
			await(t, "refused: "+tt.want, func() bool { s := d.Status(); return strings.Contains(s.Problem, tt.want) })
			if ready(d) || n.requests.Load() != 0 {
				t.Error("the node is used")
			}
		})
	}
}

// Why a node is refused is logged once, not at every attempt of every lane; another
// reason, and the same one after it was taken meanwhile, are told again.
func TestARefusalIsLoggedOnce(t *testing.T) {
	var lines []string
	d := router(t, func(o *Options) {
		o.Log = funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
	})
	n := &node{d: d, name: "a"}
	refused := func(why string) { n.cannotConnect(fmt.Errorf("%w: %s", errRefused, why)) }
	refused("another model")
	refused("another model")
	n.cannotConnect(errors.New("closing"))
	refused("another model")
	refused("another name")
	if err := n.announced(&wire.Announce{Name: "a", Fingerprint: "f00d", Hidden: small.hidden, Held: wire.NewBitmap(small.layers, small.experts)}, true); err != nil {
		t.Fatal(err)
	}
	refused("another name")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3: %q", len(lines), lines)
	}
	for i, want := range []string{"another model", "another name", "another name"} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], `"node"="a"`) {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
}
