package expertnode

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// lost is a router's stream that breaks after its last request.
type lost struct {
	grpc.ServerStream
	requests []wire.Out
}

var errLost = errors.New("connection lost")

func (l *lost) Context() context.Context { return context.Background() }

func (l *lost) SendMsg(any) error { return nil }

func (l *lost) RecvMsg(m any) error {
	if len(l.requests) == 0 {
		return errLost
	}
	frame := mem.SliceBuffer(l.requests[0].Bytes())
	l.requests = l.requests[1:]
	return encoding.GetCodecV2(wire.CodecName).Unmarshal(mem.BufferSlice{frame}, m)
}

// still is a node that holds everything of layer 0 and computes when it is told to.
func still(t *testing.T) *node {
	t.Helper()
	ck, err := checkpoint.Open(sharedModel(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(Options{Name: "a", Workers: 1, Log: logr.Discard()}, ck, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.holder.close(); n.pool.Close(); _ = ck.Close() })
	p := &placement.Placement{Epoch: 1, Nodes: []placement.Node{{Name: "a", Experts: [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {}}}}}
	n.holder.assign(assign(&placement.Document{Revision: 1, Serving: p}, "a", 2, 8))
	if err := n.holder.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// What a router asked for before its stream broke is not computed: nobody reads it.
func TestRequestsOfALostStreamAreDropped(t *testing.T) {
	n := still(t)
	for range 2 {
		if err := n.Dispatch(&lost{requests: []wire.Out{request(1, 0, 64, 0), request(2, 0, 64, 7)}}); !errors.Is(err, errLost) {
			t.Fatalf("the stream ends with %v", err)
		}
	}
	here := &stream{n: n, router: "here", out: make(chan answer, 1)}
	here.request(received(t, request(3, 0, 64, 3)))
	if waiting := n.queue.waiting(); waiting != 5 {
		t.Fatalf("%d rows wait, want 5", waiting)
	}
	for n.batch.step() {
	}
	if c := n.meter.Total(); load.Total(c.Requests) != 1 || !slices.Equal(c.Rows[0], []uint64{0, 0, 0, 1, 0, 0, 0, 0}) {
		t.Errorf("%v requests, rows %v computed; want that of the stream that is there", c.Requests, c.Rows)
	}
	if len(here.out) != 1 {
		t.Error("it has no answer")
	}
}

// received is a frame as it arrives.
func received(t *testing.T, o wire.Out) *wire.In {
	t.Helper()
	in := wire.NewIn()
	if err := wire.Receive(&lost{requests: []wire.Out{o}}, in); err != nil {
		t.Fatal(err)
	}
	return in
}
