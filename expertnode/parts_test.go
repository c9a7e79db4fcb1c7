package expertnode

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

func TestAssign(t *testing.T) {
	serving := &placement.Placement{Epoch: 4, Layers: 2, Experts: 4, Nodes: []placement.Node{
		{Name: "a", Experts: [][]int{{1, 2}, {0}}}, {Name: "b", Experts: [][]int{{0, 3}, {1, 2, 3}}}}}
	target := &placement.Placement{Epoch: 5, Layers: 2, Experts: 4, Nodes: []placement.Node{
		{Name: "a", Experts: [][]int{{2, 3}, {}}}, {Name: "c", Experts: [][]int{{0, 1}, {0, 1, 2, 3}}}}}
	doc := &placement.Document{Revision: 8, Serving: serving, Target: target}
	tests := []struct {
		node  string
		named bool
		order []expertID
	}{
		{"a", true, []expertID{{0, 1}, {0, 2}, {1, 0}, {0, 3}}},
		{"c", true, []expertID{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {1, 3}}},
		{"d", false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.node, func(t *testing.T) {
			a := assign(doc, tt.node, 2, 4)
			if a.named != tt.named || a.revision != 8 || len(a.order) != len(tt.order) || a.want.Count() != len(tt.order) {
				t.Fatalf("assignment %+v", a)
			}
			for i, x := range tt.order {
				if a.order[i] != x || !a.want.Has(x.layer, x.index) {
					t.Errorf("place %d: %v, want %v", i, a.order[i], x)
				}
			}
		})
	}
}

// A node is ready with its share of serving; the epoch it reports grows when it
// has target's too.
func TestReadyAndEpochFollowTheLoading(t *testing.T) {
	one := &placement.Placement{Epoch: 1, Nodes: []placement.Node{{Name: "a", Experts: [][]int{{0, 1}}}}}
	two := &placement.Placement{Epoch: 2, Nodes: []placement.Node{{Name: "a", Experts: [][]int{{1, 2}}}}}
	a := assign(&placement.Document{Revision: 1, Serving: one, Target: two}, "a", 1, 4)
	held := wire.NewBitmap(1, 4)
	steps := []struct {
		load  int
		ready bool
		epoch int64
	}{{3, false, 0}, {0, false, 0}, {1, true, 1}, {2, true, 2}}
	for _, s := range steps {
		held.Set(0, s.load)
		if a.ready(&held) != s.ready || a.readyEpoch(&held) != s.epoch {
			t.Errorf("with expert %d: ready %v, epoch %d; want %v, %d", s.load, a.ready(&held), a.readyEpoch(&held), s.ready, s.epoch)
		}
	}
	if none := assign(nil, "a", 1, 4); none.ready(&held) || none.readyEpoch(&held) != 0 {
		t.Error("ready without a placement")
	}
}

// waitingJob is a job of some rows and pairs.
func waitingJob(rows, pairs int) *job {
	return &job{in: &wire.In{Header: wire.Header{Rows: rows, Pairs: pairs}}}
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	for range maxQueuedRows / 4096 {
		if !q.put(waitingJob(4096, 4096)) {
			t.Fatal("refused below the limit")
		}
	}
	if q.put(waitingJob(1, 1)) {
		t.Error("a row beyond the limit was taken")
	}
	if got := q.take(nil); len(got) != 1 {
		t.Errorf("%d jobs taken; one is more than a batch already", len(got))
	}
	if !q.put(waitingJob(1, 1)) {
		t.Error("refused although there is room again")
	}
}

// All that waits is taken together, in order, as far as a batch goes.
func TestQueueGathersABatch(t *testing.T) {
	q := newQueue()
	var all []*job
	for _, pairs := range []int{100, 200, maxBatchPairs - 300, 1, 1} {
		all = append(all, waitingJob(1, pairs))
		if !q.put(all[len(all)-1]) {
			t.Fatal("refused")
		}
	}
	first := q.take(nil)
	second := q.take(nil)
	if len(first) != 3 || len(second) != 2 || first[0] != all[0] || second[1] != all[4] {
		t.Errorf("batches of %d and %d, want 3 and 2 in order", len(first), len(second))
	}
	if q.rows != 0 || len(q.take(nil)) != 0 {
		t.Errorf("%d rows left in an empty queue", q.rows)
	}
}

func TestDrainIsBounded(t *testing.T) {
	r := newStreams()
	s := &stream{changed: make(chan struct{}, 1)}
	if err := r.add(s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := r.drain(ctx); err == nil {
		t.Error("drained with an open stream")
	}
	if len(s.changed) != 1 {
		t.Error("the stream was not told")
	}
	if r.add(&stream{}) == nil {
		t.Error("a stream was taken while draining")
	}
	r.remove(s)
	select {
	case <-r.empty:
	default:
		t.Error("not empty after the last stream")
	}
}

func TestStreamsAreBounded(t *testing.T) {
	r := newStreams()
	for range maxStreams {
		if err := r.add(&stream{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.add(&stream{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one stream too many gives %v", err)
	}
}
