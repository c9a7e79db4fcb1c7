package autoscale

import (
	"errors"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// simulate plans the pool's loads on its first so many nodes and says how busy
// the busiest of them would be (1 is all of its time; more is possible).
//
// Loads are tokens, or activated experts, of no known cost. What one costs is
// what the nodes spend on all of them together; where the busiest node spends
// more than that on its share now (a slower machine, dearer experts), the result
// grows in the same proportion.
func (d *decision) simulate(nodes int) (float64, error) {
	r := d.Pool
	if r.Loads == nil {
		return 0, errors.New("the loads of the experts are not known")
	}
	if len(r.Nodes) != d.Wanted {
		return 0, fmt.Errorf("a plan for %d nodes was given, the pool has %d", len(r.Nodes), d.Wanted)
	}
	cost, err := d.cost()
	if err != nil {
		return 0, err
	}
	r.Nodes = r.Nodes[:nodes]
	plan := d.Plan
	if plan == nil {
		plan = planner.Plan
	}
	p, err := plan(r)
	if err != nil {
		return 0, err
	}
	var worst float64
	for _, load := range nodeLoads(p, r.Loads) {
		worst = max(worst, load)
	}
	return worst * cost, nil
}

// cost is the utilisation that one unit of load makes, on the safe side.
func (d *decision) cost() (float64, error) {
	var total float64
	for _, layer := range d.Pool.Loads {
		for _, load := range layer {
			total += load
		}
	}
	if total == 0 {
		if d.signals.total > idleTotal*float64(d.Wanted) {
			return 0, errors.New("nodes are busy, but no expert has load")
		}
		return 0, nil
	}
	cost := d.signals.total / total
	if d.Pool.Current == nil {
		return cost, nil
	}
	loads := nodeLoads(d.Pool.Current, d.Pool.Loads)
	for i, n := range d.Pool.Current.Nodes {
		if n.Name == d.signals.busiest && loads[i] > 0 {
			cost = max(cost, d.signals.utilization/loads[i])
		}
	}
	return cost, nil
}

// idleTotal is the utilisation of a node that may come from nothing (health
// checks, rounding).
const idleTotal = 0.01

// nodeLoads is what each node of p carries over all layers. An expert's load
// counts evenly over the nodes that hold it.
func nodeLoads(p *placement.Placement, loads [][]float64) []float64 {
	out := make([]float64, len(p.Nodes))
	for l := range min(p.Layers, len(loads)) {
		copies := make([]float64, p.Experts)
		for _, n := range p.Nodes {
			for _, e := range n.Experts[l] {
				copies[e]++
			}
		}
		for i, n := range p.Nodes {
			for _, e := range n.Experts[l] {
				out[i] += loads[l][e] / copies[e]
			}
		}
	}
	return out
}
