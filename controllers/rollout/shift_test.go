package rollout

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// text is the loads of one kind of text, [layer][expert].
type text struct {
	name  string
	loads [][]float64
}

// texts are OLMoE's own counts over kinds of text, where they are at hand, or
// made-up ones: a few hot experts, others in each kind.
func texts(t *testing.T) (list []text) {
	t.Helper()
	file := goldentest.Find(t, goldentest.Counts)
	if file == "" {
		for kind := range 4 {
			list = append(list, text{"made up " + strconv.Itoa(kind), madeUp(uint64(kind))})
		}
		return list
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var counts map[string]map[string][]float64
	if err := json.Unmarshal(raw, &counts); err != nil {
		t.Fatal(err)
	}
	for name, layers := range counts {
		if strings.HasPrefix(name, "olmoe_top1") {
			continue // counts of first choices only; all eight make the load
		}
		x := text{name: name}
		for _, key := range []string{"0", "7", "15"} {
			x.loads = append(x.loads, layers[key])
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b text) int { return len(a.name)*100 - len(b.name)*100 + int(a.name[0]) - int(b.name[0]) })
	return list
}

func madeUp(seed uint64) [][]float64 {
	rnd := rand.New(rand.NewPCG(seed, 5))
	loads := make([][]float64, 3)
	for l := range loads {
		for rank := range 64 {
			loads[l] = append(loads[l], 1e5/float64(rank+4)) // Zipf's law, flattened
		}
		rnd.Shuffle(64, func(i, j int) { loads[l][i], loads[l][j] = loads[l][j], loads[l][i] })
	}
	return loads
}

// TestShiftOfTraffic: the traffic changes from one kind of text to another. With
// the default budget (4 GiB a minute, here for three of sixteen layers) one
// decision brings the balancedness of every layer back, and a step waits less for
// the busiest nodes than with the placement of before.
func TestShiftOfTraffic(t *testing.T) {
	const budget = 341 * 3 / 16 // experts of 12.6 MB, for three layers
	kinds := texts(t)
	var worstBefore, worstAfter, least, sum = 1.0, 1.0, 1.0, 0.0
	pairs, most := 0, 0
	for _, from := range kinds {
		for _, to := range kinds {
			if from.name == to.name {
				continue
			}
			s := State{Members: members(8), Replicas: 1, SlotsPerNode: 9, Routers: router(3), Nodes: map[string]Node{}}
			olmoe3 := &Model{Fingerprint: "f00d", Layers: 3, Experts: 64}
			for _, m := range s.Members {
				s.Nodes[m.Name] = Node{Model: olmoe3, ReadyEpoch: 3}
			}
			s.Routers[0].Model = olmoe3
			p, err := planner.Plan(planner.Request{Layers: 3, Experts: 64, Nodes: s.Members, Replicas: 1, SlotsPerNode: 9, Loads: from.loads, Epoch: 3})
			if err != nil {
				t.Fatal(err)
			}
			s.Doc = &placement.Document{Revision: 3, Model: "f00d", Serving: p}
			s.Loads, s.Rebalance = to.loads, &Rebalance{Moves: budget, MinGain: 0.05}
			before, after := slices.Min(p.Balancedness(to.loads)), slices.Min(p.Balancedness(to.loads))
			d := Decide(s)
			if d.Doc != s.Doc {
				after = slices.Min(d.Doc.Target.Balancedness(to.loads))
				least, sum, most = min(least, d.Balance.Gain), sum+d.Balance.Gain, max(most, d.Balance.Moves)
				pairs++
			}
			worstBefore, worstAfter = min(worstBefore, before), min(worstAfter, after)
			if after < 0.95 {
				t.Errorf("%s -> %s: balancedness %.3f of the worst layer, then %.3f", from.name, to.name, before, after)
			}
			if d.Balance.Moves > budget {
				t.Errorf("%s -> %s: %d moves, the budget is %d", from.name, to.name, d.Balance.Moves, budget)
			}
		}
	}
	t.Logf("%d shifts: worst layer's balancedness %.3f before, %.3f after; the busiest nodes' load falls by %.1f %% (mean; least %.1f %%); at most %d loads of %d",
		pairs, worstBefore, worstAfter, 100*sum/float64(pairs), 100*least, most, budget)
	if pairs == 0 {
		t.Error("nothing has moved: the test shows nothing")
	}
}
