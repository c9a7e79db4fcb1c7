package poolsim

import (
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// even is the mix of a plan made without knowing loads.
const even = -1

// plans makes plans of one trace's mixes with the real planner, and keeps them:
// a day asks for the same ones thousands of times. Several days may share one, one
// after the other.
type plans struct {
	service Service
	mixes   []Text
	slots   int // per node and layer
	work    [][][]activation
	loads   [][][]float64
	kept    map[[2]int]*plan
}

// plan is a placement in compact form, and how it does under mixes.
type plan struct {
	held   []uint8         // experts of node 0 in layer 0, in layer 1, ..., of node 1, ...
	from   []int32         // [node*Layers+layer]: where a list of held begins; one more at the end
	spread map[int]*spread // by mix
}

// spread is what a mix asks of every node of a plan.
type spread struct {
	nodes   []station
	busiest []*curve // of the nodes with most work
	curves  []*curve // by node: its own for the busiest, else that of the mean of all nodes
}

// planLoadScale makes seconds of work a number of a size that counts have.
const planLoadScale = 1e9

func newPlans(service Service, mixes []Text, slots int) *plans {
	c := &plans{service: service, mixes: mixes, slots: slots, kept: map[[2]int]*plan{}}
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
func (c *plans) minNodes() int { return (Experts + c.slots - 1) / c.slots }

// request is what a plan for so many nodes is made from. even counts all experts
// alike, and still uses every slot, for copies.
func (c *plans) request(nodes, mix int) planner.Request {
	r := planner.Request{Layers: Layers, Experts: Experts, Replicas: 1, SlotsPerNode: c.slots}
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
func (c *plans) get(nodes, mix int) (*plan, error) {
	key := [2]int{nodes, mix}
	if p := c.kept[key]; p != nil {
		return p, nil
	}
	made, err := planner.Plan(c.request(nodes, mix))
	if err != nil {
		return nil, fmt.Errorf("planning %d nodes: %w", nodes, err)
	}
	p := &plan{spread: map[int]*spread{}}
	p.keep(made)
	c.kept[key] = p
	return p, nil
}

func (p *plan) keep(made *placement.Placement) {
	p.from = []int32{0}
	for _, n := range made.Nodes {
		for _, experts := range n.Experts {
			for _, e := range experts {
				p.held = append(p.held, uint8(e))
			}
			p.from = append(p.from, int32(len(p.held)))
		}
	}
	p.held = slices.Clip(p.held)
}

func (p *plan) nodes() int { return len(p.from) / Layers }

// list is what a node holds of a layer.
func (p *plan) list(node, l int) []uint8 {
	k := node*Layers + l
	return p.held[p.from[k]:p.from[k+1]]
}

// placement is the plan as the planner gave it.
func (p *plan) placement() *placement.Placement {
	out := &placement.Placement{Layers: Layers, Experts: Experts, Nodes: slices.Clone(names(p.nodes()))}
	all := make([]int, len(p.held))
	for i, e := range p.held {
		all[i] = int(e)
	}
	lists := make([][]int, len(p.from)-1)
	for k := range lists {
		lists[k] = all[p.from[k]:p.from[k+1]:p.from[k+1]]
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
