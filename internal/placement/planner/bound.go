package planner

import (
	"cmp"
	"math"
	"slices"
)

// Bounds are balancednesses, one for each layer of a request, that no placement
// can exceed. Nil without loads. The request must be one that Plan takes.
func (r *Request) Bounds() []float64 {
	if r.Loads == nil {
		return nil
	}
	out := make([]float64, len(r.Loads))
	room, _ := r.rooms()
	slots := sum(room)
	if !r.limited() {
		slots = len(room) * slices.Max(room) // they may differ for the sake of domains
	}
	for l, row := range r.Loads {
		out[l] = bound(row, r.Replicas, len(r.Nodes), slots)
	}
	return out
}

// bound is a balancedness of one layer that no placement can exceed on so many
// nodes with so many slots in all, spread evenly (no node has more than
// ceil(slots/nodes)), if every expert has as many owners as replicas.
func bound(loads []float64, replicas, nodes, slots int) float64 {
	cost := make([]float64, len(loads))
	counted(cost, loads)
	mean := total(cost) / float64(nodes)
	if mean == 0 {
		return 1
	}
	p := &packing{cost: cost, replicas: replicas, nodes: nodes, slots: slots, choice: make([][]choice, len(cost))}
	return mean / p.raise(cheapFloor(cost, replicas, nodes, slots))
}

// cheapFloor is a load that the busiest node has at least:
//   - the mean;
//   - the smallest possible load per copy of the hottest expert (spread);
//   - pigeonhole's.
func cheapFloor(cost []float64, replicas, nodes, slots int) float64 {
	floor := total(cost) / float64(nodes)
	best := newSpread(len(cost))
	best.over(cost, replicas, nodes, slots)
	return max(floor, best.worst(), pigeonhole(cost, replicas, nodes, slots))
}

// pigeonhole: at most spare experts have more copies than they must. Of the rest,
// take the copies that are heaviest: of j*nodes+1 of them, some node holds j+1,
// which weigh at least what the j+1 lightest of them do. Whichever experts are the
// spare ones, the k-th heaviest of the rest weighs at least the (k+spare)-th
// heaviest of all.
func pigeonhole(cost []float64, replicas, nodes, slots int) (worst float64) {
	spare := slots - replicas*len(cost)
	if spare >= len(cost) {
		return 0
	}
	heavy := slices.Clone(cost)
	slices.SortFunc(heavy, func(a, b float64) int { return cmp.Compare(b, a) })
	heavy = heavy[spare:]
	for j := 1; j*nodes < replicas*len(heavy); j++ {
		var s float64
		for k := j*nodes - j; k <= j*nodes; k++ {
			s += heavy[k/replicas] / float64(replicas)
		}
		worst = max(worst, s)
	}
	return worst
}

// packing asks whether copies can be packed into nodes of a given capacity.
type packing struct {
	cost                   []float64
	replicas, nodes, slots int
	choice                 [][]choice // per expert: its numbers of copies, and what they measure
}

type choice struct{ copies, measure float64 }

// boundSteps halvings find the bound to a part in 2^14.
const boundSteps = 14

// raise finds the highest capacity between floor and twice floor that is proven
// too small; floor itself is a lower bound already.
func (p *packing) raise(floor float64) float64 {
	for low, high := 1.0, 2.0; ; {
		mid := (low + high) / 2
		if high-low < math.Ldexp(1, -boundSteps) {
			return floor * low
		}
		if p.impossible(floor * mid) {
			low = mid
		} else {
			high = mid
		}
	}
}

// impossible proves, if it can, that no placement keeps all nodes at or below
// capacity.
//
// Let expert e have c(e) copies, each of size x = cost(e)/(c(e)*capacity). A
// measure f is such that any sizes that fit on one node together (sum at most 1,
// at most so many as a node has slots) have sum f(x) <= 1 ("dual feasible
// function"; Fekete and Schepers 2001). Then in every placement
//
//	sum over e of c(e)*f(x(e)) <= nodes,  and  sum of c(e) <= slots.
//
// So, with any price q >= 0 for a slot,
//
//	sum over e of min over c of c*(f(x)+q) <= nodes + q*slots.
//
// Where that does not hold, there is no such placement, whatever the copies. All
// measures here grow with x; x is taken a little too small, which can only weaken
// the proof, so that rounding errors cannot make one.
func (p *packing) impossible(capacity float64) bool {
	need := 0
	for _, w := range p.cost {
		need += p.fewest(w, capacity)
	}
	if need > p.slots {
		return true
	}
	for _, f := range p.measures(capacity) {
		if p.exceeds(f, capacity, p.slots-need) {
			return true
		}
	}
	return false
}

// fewest copies of an expert that each fit on a node.
func (p *packing) fewest(cost, capacity float64) int {
	return max(p.replicas, int(math.Ceil(cost/capacity*(1-rounding))))
}

// rounding is far above the errors of a division and far below what a bound is
// printed to.
const rounding = 1e-9

// exceeds looks for a price at which a measure proves that the copies do not fit.
// slack is the number of slots beyond the fewest copies.
func (p *packing) exceeds(f func(float64) float64, capacity float64, slack int) bool {
	var plain float64
	for e, w := range p.cost {
		least := p.fewest(w, capacity)
		p.choice[e] = p.choice[e][:0]
		for c := least; c <= min(p.nodes, least+slack); c++ {
			x := w / (float64(c) * capacity) * (1 - rounding)
			p.choice[e] = append(p.choice[e], choice{float64(c), float64(c) * f(x)})
			if x == 0 {
				break
			}
		}
		if len(p.choice[e]) == 0 {
			return true // it needs more copies than there are nodes
		}
		plain += p.choice[e][0].measure
	}
	// The fewest copies are one choice, so no price proves more than they measure.
	return plain > float64(p.nodes) && p.priced()
}

// priceSteps halvings find the price; any price is valid, the best proves most.
const priceSteps = 16

func (p *packing) priced() bool {
	used, margin := p.at(0)
	if margin > p.least() || used <= float64(p.slots) {
		return margin > p.least() // with slots left over no price proves more
	}
	low, high := 0.0, float64(p.nodes) // a copy cannot save more than all nodes
	for range priceSteps {
		q := (low + high) / 2
		if used, margin = p.at(q); margin > p.least() {
			return true
		}
		if used > float64(p.slots) {
			low = q
		} else {
			high = q
		}
	}
	return false
}

// least is the excess that counts as one.
func (p *packing) least() float64 { return float64(p.nodes) * rounding }

// at finds, for a price, the cheapest copies of all, and by how much they exceed
// what the nodes and slots could take.
func (p *packing) at(q float64) (used, margin float64) {
	margin = -float64(p.nodes) - q*float64(p.slots)
	for _, choices := range p.choice {
		best, copies := math.Inf(1), 0.0
		for _, c := range choices {
			if v := c.measure + q*c.copies; v < best {
				best, copies = v, c.copies
			}
		}
		used, margin = used+copies, margin+best
	}
	return used, margin
}
