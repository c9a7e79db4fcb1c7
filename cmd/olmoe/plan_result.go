package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// planResult is the JSON that olmoe plan prints, which scripts rely on; --current takes
// it too.
type planResult struct {
	Layers map[string]planLayer `json:"layers"`
	Moves  []planMove           `json:"moves"`
	// Crowded, with --machines: experts of all layers whose copies are on fewer machines
	// than they should.
	Crowded *int `json:"crowded,omitempty"`
}

type planLayer struct {
	Nodes        [][]int `json:"nodes"`
	Balancedness float64 `json:"balancedness"`
	Bound        float64 `json:"bound"`
}

// planMove is an expert that a node has to load; From is -1 if no node has it.
type planMove struct {
	Layer  int   `json:"layer"`
	Expert int   `json:"expert"`
	From   int   `json:"from"`
	To     int   `json:"to"`
	Bytes  int64 `json:"bytes"`
}

// result describes a plan under the file's names of the layers.
func (f *planFlags) result(keys []string, r *planner.Request, p *placement.Placement) *planResult {
	out := &planResult{Layers: map[string]planLayer{}, Moves: []planMove{}}
	balance, bounds := p.Balancedness(r.Loads), r.Bounds()
	for l, key := range keys {
		layer := planLayer{Balancedness: balance[l], Bound: bounds[l]}
		for _, n := range p.Nodes {
			layer.Nodes = append(layer.Nodes, n.Experts[l])
		}
		out.Layers[key] = layer
	}
	if f.machines > 0 {
		n := r.Crowded(p)
		out.Crowded = &n
	}
	if r.Current == nil {
		return out
	}
	for _, m := range placement.Diff(r.Current, p, f.bytes) {
		from, err := strconv.Atoi(m.From)
		if err != nil {
			from = -1
		}
		to, _ := strconv.Atoi(m.To)
		number, _ := strconv.Atoi(keys[m.Layer])
		out.Moves = append(out.Moves, planMove{Layer: number, Expert: m.Expert, From: from, To: to, Bytes: m.Bytes})
	}
	return out
}

func (r *planResult) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LAYER\tBALANCEDNESS\tBOUND\tNODE\tEXPERTS")
	for _, key := range layerOrder(r.Layers) {
		layer := r.Layers[key]
		for i, list := range layer.Nodes {
			head := "\t\t"
			if i == 0 {
				head = fmt.Sprintf("%s\t%.4f\t%.4f", key, layer.Balancedness, layer.Bound)
			}
			fmt.Fprintf(w, "%s\t%d\t%v\n", head, i, list)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var bytes int64
	for _, m := range r.Moves {
		bytes += m.Bytes
		fmt.Fprintf(out, "move: layer %d, expert %d, node %d -> %d, %d bytes\n", m.Layer, m.Expert, m.From, m.To, m.Bytes)
	}
	if _, err := fmt.Fprintf(out, "%d moves, %d bytes\n", len(r.Moves), bytes); err != nil || r.Crowded == nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d experts have copies on fewer machines than they should\n", *r.Crowded)
	return err
}
