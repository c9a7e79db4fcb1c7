package planner

import (
	"fmt"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// leftAfterLoss is the worst, over all nodes that may be lost, of the mean load of
// those left over their largest, when the load of each expert is split evenly among
// its owners that are left.
func leftAfterLoss(p *placement.Placement, loads [][]float64) float64 {
	worst := 1.0
	for lost := range p.Nodes {
		for l := range p.Layers {
			owners, load := make([]float64, p.Experts), make([]float64, len(p.Nodes))
			for i, n := range p.Nodes {
				for _, e := range n.Experts[l] {
					if i != lost {
						owners[e]++
					}
				}
			}
			total, most := 0.0, 0.0
			for i, n := range p.Nodes {
				for _, e := range n.Experts[l] {
					if i != lost {
						load[i] += loads[l][e] / owners[e]
					}
				}
				total, most = total+load[i], max(most, load[i])
			}
			worst = min(worst, total/float64(len(p.Nodes)-1)/most)
		}
	}
	return worst
}

// The work of a lost node falls to many, not to one partner: 4/7 on 8 nodes if
// pairs of nodes held the same.
func TestALostNodesWorkIsShared(t *testing.T) {
	const layers, experts = 3, 64
	flat, skewed := make([][]float64, layers), make([][]float64, layers)
	for l := range layers {
		flat[l], skewed[l] = make([]float64, experts), make([]float64, experts)
		for e := range experts {
			flat[l][e] = 1
			skewed[l][e] = 1000 / (10 + float64((e*37+l*11)%experts))
		}
	}
	for _, nodes := range []int{4, 6, 8, 16} {
		r := Request{Layers: layers, Experts: experts, Replicas: 2, Epoch: 1}
		for i := range nodes {
			r.Nodes = append(r.Nodes, placement.Node{Name: fmt.Sprint("n", i)})
		}
		for name, loads := range map[string][][]float64{"none": nil, "skewed": skewed} {
			r.Loads = loads
			p, err := Plan(r)
			if err != nil {
				t.Fatal(err)
			}
			if loads == nil {
				loads = flat
			}
			got := leftAfterLoss(p, loads)
			t.Logf("%d nodes, loads %s: %.3f", nodes, name, got)
			if got < 0.65 {
				t.Errorf("%d nodes, loads %s: the nodes left are at %.3f of even", nodes, name, got)
			}
		}
	}
}
