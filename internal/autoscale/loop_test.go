package autoscale

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// plant is a pool under traffic that obeys decisions: nodes start and leave in
// their time, experts carry Zipf-like loads, nodes are lost and come back, the operator restarts.
type plant struct {
	r       *rand.Rand
	now     time.Time
	demand  float64 // node-seconds of work a second
	wanted  int
	serving *placement.Placement
	ready   time.Time // when the step under way is done
	lost    time.Time // until when node 0 is away
	memory  Memory
	loads   [][]float64
}

const (
	tick      = 5 * second
	startTime = 12 * second
)

func newPlant(t *testing.T, seed uint64) *plant {
	p := &plant{r: rand.New(rand.NewPCG(seed, 2)), now: noon, demand: 3, wanted: 4, ready: noon}
	for range 2 {
		row := make([]float64, 12)
		for e := range row {
			row[e] = 1000 / float64(1+e)
		}
		p.r.Shuffle(len(row), func(a, b int) { row[a], row[b] = row[b], row[a] })
		p.loads = append(p.loads, row)
	}
	p.serving = mustPlan(t, p.request(4))
	return p
}

func (p *plant) request(n int) planner.Request {
	r := planner.Request{Layers: 2, Experts: 12, Replicas: 1, SlotsPerNode: 6, Loads: p.loads, Current: p.serving}
	for i := range n {
		r.Nodes = append(r.Nodes, placement.Node{Name: nodeName(i)})
	}
	return r
}

// advance is one tick: traffic wanders between 1 and 9 nodes' worth, with the
// hours and by chance.
func (p *plant) advance(t *testing.T, step int) {
	p.now = p.now.Add(tick)
	base := 5 - 4*math.Cos(2*math.Pi*float64(step)/1000)
	p.demand += (base - p.demand) * .05
	p.demand *= 1 + .02*p.r.NormFloat64()
	if len(p.serving.Nodes) != p.wanted && !p.now.Before(p.ready) {
		p.serving = mustPlan(t, p.request(p.wanted))
	}
	if p.r.IntN(200) == 0 {
		p.lost = p.now.Add(time.Duration(p.r.IntN(60)) * second)
	}
}

func (p *plant) utilizations() []float64 {
	loads := nodeLoads(p.serving, p.loads)
	var total float64
	for _, l := range loads {
		total += l
	}
	for i := range loads {
		loads[i] *= p.demand / total
	}
	return loads
}

func (p *plant) busiest() (worst float64) {
	for _, u := range p.utilizations() {
		worst = max(worst, u)
	}
	return worst
}

func (p *plant) input() Input {
	in := Input{Settings: Settings{Min: 2, Max: 16, TargetUtilization: 70}, Now: p.now, Wanted: p.wanted, MinNodes: 2,
		Changing: len(p.serving.Nodes) != p.wanted, Memory: p.memory, Pool: p.request(p.wanted)}
	for i, u := range p.utilizations() {
		in.Nodes = append(in.Nodes, Node{Name: nodeName(i), Ordinal: i, Ready: i > 0 || !p.now.Before(p.lost), Utilization: u,
			Queue: time.Duration(1e6 * min(u/(1-min(u, .99)), 50)), Covered: tick, Age: second})
	}
	return in
}

// TestClosedLoop runs 2,000 decisions against a pool that obeys them, and holds
// them to the rules and to their purpose: the busiest node is rarely above the
// target for long, and not much is kept that is not needed.
func TestClosedLoop(t *testing.T) {
	p := newPlant(t, 7)
	const steps = 2000
	var over, nodes, need float64
	moves := 0
	for step := range steps {
		p.advance(t, step)
		in := p.input()
		d := Decide(in)
		checkStep(t, in, d)
		if !in.Nodes[0].Ready && d.Nodes < p.wanted {
			t.Fatalf("step %d: a lost node became a scale-in", step)
		}
		if d.Nodes != p.wanted {
			p.wanted, p.ready = d.Nodes, p.now.Add(startTime)
			moves++
		}
		p.memory = d.Memory
		if p.r.IntN(300) == 0 { // the operator restarts: only the status is left
			p.memory = d.Memory.AfterRestart(p.ready)
		}
		if p.busiest() > 1 {
			over++
		}
		nodes += float64(p.wanted)
		need += max(2, p.demand/.7)
	}
	t.Logf("%d steps of scaling, overloaded %.1f %% of the time, %.2f times the nodes that a perfect pool needs", moves, 100*over/steps, nodes/need)
	if over/steps > .01 || nodes/need > 1.35 || moves < 20 {
		t.Errorf("overloaded %.1f %% of the time (at most 1), %.2f times the nodes needed (at most 1.35), %d moves (at least 20)", 100*over/steps, nodes/need, moves)
	}
}
