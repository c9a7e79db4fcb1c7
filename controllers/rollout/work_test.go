package rollout

import (
	"math/rand/v2"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// traffic is what batches do to a layer's experts: rows, batches with rows, and the
// time of both on a machine that reads an expert's weights in the time of ridge rows.
type traffic struct{ rows, active, time [][]float64 }

// serve draws batches of so many tokens, each for 8 experts by their counts.
func serve(rnd *rand.Rand, counts [][]float64, tokens int, ridge float64) (tr traffic) {
	const batches = 200
	for _, layer := range counts {
		rows, active, time := make([]float64, len(layer)), make([]float64, len(layer)), make([]float64, len(layer))
		for e, c := range layer {
			for range batches {
				n := 0.0
				for range tokens {
					if rnd.Float64() < 8*c/load.Total(layer) {
						n++
					}
				}
				if n > 0 {
					rows[e], active[e], time[e] = rows[e]+n, active[e]+1, time[e]+max(n, ridge)
				}
			}
		}
		tr.rows, tr.active, tr.time = append(tr.rows, rows), append(tr.active, active), append(tr.time, time)
	}
	return tr
}

// reports are what the nodes of a placement count of it, each with a speed of its
// own and times that are off by some percent.
func (tr *traffic) reports(rnd *rand.Rand, p *placement.Placement) (out []*load.Node) {
	copies := make([][]float64, p.Layers)
	for l := range copies {
		copies[l] = make([]float64, p.Experts)
		for _, n := range p.Nodes {
			for _, e := range n.Experts[l] {
				copies[l][e]++
			}
		}
	}
	for _, n := range p.Nodes {
		x, speed := &load.Node{Name: n.Name, Seconds: 60, Counts: *load.NewCounts(p.Layers, p.Experts)}, 0.8+0.4*rnd.Float64()
		for l, held := range n.Experts {
			off := speed * (1 + 0.05*rnd.NormFloat64())
			for _, e := range held {
				x.Rows[l][e] = uint64(tr.rows[l][e] / copies[l][e])
				x.Activations[l][e] = uint64(tr.active[l][e] / copies[l][e])
				x.BusyNs[l][e] = uint64(1e5 * off * tr.time[l][e] / copies[l][e])
			}
		}
		out = append(out, x)
	}
	return out
}

// TestBalancesWhatTakesTime: planned by what Fit learns from the nodes' times, the
// busiest nodes are done sooner than planned by tokens where weights are what takes
// the time, and no later to speak of where arithmetic is.
func TestBalancesWhatTakesTime(t *testing.T) {
	for _, c := range []struct {
		tokens      int
		ridge, most float64 // most: the busiest nodes' time, in parts of that of a plan by tokens
	}{{8, 16, 0.96}, {16, 16, 0.96}, {128, 0.5, 1.02}} {
		var byTokens, byWork, reading float64
		kinds := texts(t)[:4]
		for i, k := range kinds {
			rnd := rand.New(rand.NewPCG(uint64(i), 9))
			tr := serve(rnd, k.loads, c.tokens, c.ridge)
			first := planFor(t, tr.rows)
			nodes := tr.reports(rnd, first)
			w := load.Fit(nodes)
			reading += w.Reading(nodes) / float64(len(kinds))
			byTokens += load.Total(first.BusiestLoads(tr.time))
			byWork += load.Total(planFor(t, w.Costs(tr.rows, tr.active)).BusiestLoads(tr.time))
		}
		t.Logf("batches of %d, a read costs %g rows: reading is found to be %.2f of the work; the busiest nodes' time is %.3f of that by tokens",
			c.tokens, c.ridge, reading, byWork/byTokens)
		if byWork > c.most*byTokens {
			t.Errorf("want at most %g of it", c.most)
		}
	}
}

// planFor places three layers on eight nodes.
func planFor(t *testing.T, loads [][]float64) *placement.Placement {
	t.Helper()
	p, err := planner.Plan(planner.Request{
		Layers: len(loads), Experts: 64, Nodes: members(8), Replicas: 1, SlotsPerNode: 9, Loads: loads,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
