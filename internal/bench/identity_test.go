package bench

import (
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Both ways bring each row back as often as it should come: for every expert, and for one
// of each node.
func TestEchoNodes(t *testing.T) {
	for _, f := range []wire.Format{wire.Float32, wire.BFloat16} {
		t.Run(f.String(), func(t *testing.T) { echoNodesAs(t, f) })
	}
}

func echoNodesAs(t *testing.T, outputs wire.Format) {
	n, err := newEchoNodes(dial, Shape{Hidden: 4, Active: 5, Nodes: 2, Outputs: outputs})
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	for _, experts := range [][]int32{n.experts, n.firsts} {
		x := []float32{0, 1, 2, 3, 4, 5, 6, 7}
		ids, out := slices.Concat(experts, experts), make([]float32, 2*len(experts)*n.hidden)
		if err := n.dispatcher.Do(t.Context(), 0, x, 2, ids, out); err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(slices.Repeat(x[:4], len(experts)), slices.Repeat(x[4:], len(experts)))
		if !slices.Equal(out, want) {
			t.Errorf("experts %v: %v, want %v", experts, out, want)
		}
	}
	if len(n.experts) != 5 || !slices.Equal(n.firsts, []int32{0, 1}) {
		t.Errorf("experts %v, one of each node %v", n.experts, n.firsts)
	}
}

// The difference counts once a layer, against the step that was measured.
func TestIdentityIsAPartOfAStep(t *testing.T) {
	s := Shape{Layers: 3, Hidden: 64, Active: 2, Nodes: 4, Outputs: wire.Float32}
	r := &Report{Results: []Result{{Name: "prefill", Batch: 2, SecondsP50: 9}, {Name: "decode", Batch: 2, SecondsP50: 0.01}}}
	id, err := MeasureIdentity(t.Context(), dial, s, 2, r)
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 * (id.Outputs - id.Sums) / 0.01; id.OfStep != want || id.Batch != 2 || id.Nodes != 2 || id.Outputs <= 0 || id.Sums <= 0 {
		t.Errorf("%+v, want %g of a step", id, want)
	}
	if step := r.step(32); step != 0 {
		t.Errorf("a step that nobody measured took %g s", step)
	}
}
