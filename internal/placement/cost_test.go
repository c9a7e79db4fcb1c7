package placement

import (
	"reflect"
	"strings"
	"testing"
)

// TestCosts: tokens when compute-bound, activations when memory-bound, both in between.
func TestCosts(t *testing.T) {
	r := Request{Layers: 1, Experts: 2, Nodes: nodes(2), Replicas: 1,
		Loads: [][]float64{{100, 4}}, Activations: [][]float64{{10, 2}}}
	cases := []struct {
		cost Cost
		want []float64
	}{
		{Cost{}, []float64{100, 4}},
		{Cost{Token: 1}, []float64{100, 4}},
		{Cost{Token: 2}, []float64{200, 8}},
		{Cost{Activation: 1}, []float64{10, 2}},
		{Cost{Token: 0.5, Activation: 3}, []float64{80, 8}},
	}
	for _, c := range cases {
		r.Cost = c.cost
		if got := r.Costs(); !reflect.DeepEqual(got, [][]float64{c.want}) {
			t.Errorf("%+v: costs %v, want %v", c.cost, got, c.want)
		}
		mustPlan(t, r)
	}
}

// TestMemoryBound: an expert with many tokens in few batches is hot for arithmetic
// and not for reading, so the two plans give the spare slots to different experts.
func TestMemoryBound(t *testing.T) {
	r := Request{Layers: 1, Experts: 4, Nodes: nodes(4), Replicas: 1, Slots: 8,
		Loads: [][]float64{{1000, 100, 100, 100}}, Activations: [][]float64{{5, 90, 20, 20}}}
	if c := mustPlan(t, r).copies(0); c[0] != 4 {
		t.Errorf("compute-bound: copies %v, want 4 of expert 0", c)
	}
	r.Cost = Cost{Activation: 1}
	p := mustPlan(t, r)
	if c := p.copies(0); c[0] != 1 || c[1] < 3 {
		t.Errorf("memory-bound: copies %v, want most of expert 1 and one of expert 0", c)
	}
	if b := p.Balancedness(r.Costs())[0]; b > r.Bounds()[0]+1e-12 || b < 0.8 {
		t.Errorf("balancedness of activations %v, bound %v", b, r.Bounds()[0])
	}
}

func TestCostRefuses(t *testing.T) {
	ok := Request{Layers: 1, Experts: 1, Nodes: nodes(1), Replicas: 1, Loads: [][]float64{{1}}, Activations: [][]float64{{1}}}
	cases := []struct {
		want string
		edit func(*Request)
	}{
		{"cost of a token -1", func(r *Request) { r.Cost.Token = -1 }},
		{"activations are not given", func(r *Request) { r.Cost.Activation, r.Activations = 1, nil }},
		{"loads are not given", func(r *Request) { r.Cost.Token, r.Loads = 1, nil }},
		{"activations of layer 0: expert 0: -1", func(r *Request) { r.Activations = [][]float64{{-1}} }},
		{"activations for 0 layers", func(r *Request) { r.Activations = [][]float64{} }},
		{"minGain -1", func(r *Request) { r.MinGain = -1 }},
		{"maxMoves -1", func(r *Request) { r.MaxMoves = -1 }},
	}
	for _, c := range cases {
		r := ok
		c.edit(&r)
		if _, err := Plan(r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
