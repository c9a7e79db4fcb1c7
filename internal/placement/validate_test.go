package placement

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	cases := []struct {
		name string
		edit func(*Placement)
		want string
	}{
		{"fine", func(*Placement) {}, ""},
		{"no owner", func(p *Placement) { p.Nodes[1].Experts[1] = nil }, "layer 1, expert"},
		{"twice", func(p *Placement) { p.Nodes[0].Experts[0] = []int{0, 0, 1} }, "node n-0: layer 0: expert 0"},
		{"order", func(p *Placement) { p.Nodes[0].Experts[0] = []int{1, 0} }, "out of order"},
		{"range", func(p *Placement) { p.Nodes[1].Experts[0] = []int{2, 4} }, "not below 4"},
		{"layers", func(p *Placement) { p.Nodes[1].Experts = p.Nodes[1].Experts[:1] }, "lists for 1 layers"},
		{"names", func(p *Placement) { p.Nodes[1].Name = "n-0" }, "there twice"},
		{"no name", func(p *Placement) { p.Nodes[1].Name = "" }, "empty"},
		{"no layers", func(p *Placement) { p.Layers = 0 }, "at least 1"},
		{"experts without end", func(p *Placement) { p.Experts = 100_000_000_000 }, "epoch 1: 2 layers x 100000000000 experts"},
		{"no epoch", func(p *Placement) { p.Epoch = 0 }, "target.epoch is 0"},
	}
	for _, c := range cases {
		p := &Placement{Epoch: 1, Layers: 2, Experts: 4, Nodes: []Node{
			{Name: "n-0", Experts: [][]int{{0, 1}, {0, 1}}}, {Name: "n-1", Experts: [][]int{{2, 3}, {2, 3}}}}}
		c.edit(p)
		d := Document{Revision: 3, Target: p}
		err := d.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDiffReasons(t *testing.T) {
	from := &Placement{Layers: 1, Experts: 3, Nodes: []Node{
		{Name: "a", Experts: [][]int{{0, 1}}}, {Name: "b", Experts: [][]int{{}}}}}
	to := &Placement{Layers: 1, Experts: 3, Nodes: []Node{
		{Name: "a", Experts: [][]int{{0}}}, {Name: "b", Experts: [][]int{{0, 1, 2}}}}}
	want := []Move{
		{0, 0, "a", "b", 7, "replica added"},
		{0, 1, "a", "b", 7, "moved"},
		{0, 2, "", "b", 7, "had no owner"},
	}
	got := Diff(from, to, 7)
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %+v", got)
	}
	if n := len(Diff(nil, to, 7)); n != 4 {
		t.Errorf("from nothing: %d loads, want 4", n)
	}
}
