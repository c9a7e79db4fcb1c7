package poolsim

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// even is the mix of a plan made without knowing loads.
const even = -1

// planner makes plans of one trace's mixes with the real planner, and keeps them:
// a day asks for the same ones thousands of times. It is safe for several days at
// once.
type planner struct {
	service Service
	mixes   []Text
	slots   int // per node and layer
	work    [][][]activation
	loads   [][][]float64
	plans   map[[2]int]*plan
}

// plan is a placement in compact form, and how it does under mixes.
type plan struct {
	held   [][]uint8       // [node*Layers+layer]: experts
	pairs  int             // in all lists
	spread map[int]*spread // by mix
}

// spread is what a mix asks of every node of a plan.
type spread struct {
	nodes   []station
	busiest []*curve // of the nodes with most work
	typical *curve   // of the mean of all nodes
}

// planLoadScale makes seconds of work a number of a size that counts have.
const planLoadScale = 1e9

func newPlanner(service Service, mixes []Text, slots int) *planner {
	c := &planner{service: service, mixes: mixes, slots: slots, plans: map[[2]int]*plan{}}
	for _, mix := range mixes {
		work, loads := make([][]activation, Layers), make([][]float64, Layers)
		for l, row := range mix {
			for _, p := range row {
				a := service.activate(p)
				work[l] = append(work[l], a)
				loads[l] = append(loads[l], a.mean*planLoadScale)
			}
		}
		c.work, c.loads = append(c.work, work), append(c.loads, loads)
	}
	return c
}

// minNodes is the fewest nodes with room for every expert.
func (c *planner) minNodes() int { return (Experts + c.slots - 1) / c.slots }

// request is what a plan for so many nodes is made from. even counts all experts
// alike, and still uses every slot, for copies.
func (c *planner) request(nodes, mix int) placement.Request {
	r := placement.Request{Layers: Layers, Experts: Experts, Replicas: 1, SlotsPerNode: c.slots}
	r.Nodes = names(nodes)
	if mix != even {
		r.Loads = c.loads[mix]
		return r
	}
	for range Layers {
		row := make([]float64, Experts)
		for e := range row {
			row[e] = 1
		}
		r.Loads = append(r.Loads, row)
	}
	return r
}

// get plans for so many nodes and a mix, or even.
func (c *planner) get(nodes, mix int) (*plan, error) {
	key := [2]int{nodes, mix}
	if p := c.plans[key]; p != nil {
		return p, nil
	}
	made, err := placement.Plan(c.request(nodes, mix))
	if err != nil {
		return nil, fmt.Errorf("planning %d nodes: %w", nodes, err)
	}
	p := &plan{spread: map[int]*spread{}}
	p.keep(made)
	c.plans[key] = p
	return p, nil
}

func (p *plan) keep(made *placement.Placement) {
	p.held = make([][]uint8, 0, len(made.Nodes)*Layers)
	for _, n := range made.Nodes {
		for _, experts := range n.Experts {
			row := make([]uint8, len(experts))
			for i, e := range experts {
				row[i] = uint8(e)
			}
			p.held = append(p.held, row)
			p.pairs += len(row)
		}
	}
}

// placement is the plan as the planner gave it.
func (p *plan) placement() *placement.Placement {
	nodes := len(p.held) / Layers
	out := &placement.Placement{Layers: Layers, Experts: Experts, Nodes: slices.Clone(names(nodes))}
	lists, all := make([][]int, len(p.held)), make([]int, 0, p.pairs)
	for k, held := range p.held {
		first := len(all)
		for _, e := range held {
			all = append(all, int(e))
		}
		lists[k] = all[first:len(all):len(all)]
	}
	for i := range out.Nodes {
		out.Nodes[i].Experts = lists[i*Layers : (i+1)*Layers]
	}
	return out
}

// names are the first n nodes; the list is shared.
func names(n int) []placement.Node { return allNodes()[:n:n] }

var allNodes = sync.OnceValue(func() []placement.Node {
	nodes := make([]placement.Node, MaxNodes)
	for i := range nodes {
		nodes[i].Name = "pool-experts-" + strconv.Itoa(i)
	}
	return nodes
})

// MaxNodes of a pool in a simulation: several times the largest that is of interest.
const MaxNodes = 4096
