package planner

import "math"

// draft is what one layer could become: the placement in force with no more than
// the changes it must have, then after each further step, and, last, one made
// from nothing.
type draft struct {
	blank   bool    // no node holds anything yet
	mean    float64 // node load
	floor   float64 // load that the busiest node has at least, whatever the placement
	base    option  // the necessary changes alone
	options []option
	log     []change  // of all steps, in order
	holds   []uint64  // who holds what, as in layer, after all of log
	load    []float64 // of each node then
	fresh   []uint64  // the placement made from nothing, if it is an option
	half    int       // of the experts that nodes hold: it counts as so many loads at least
	chosen  option

	price float64 // load that the busiest node must lose for each expert to load
	most  int     // loads that there may be
	least float64 // of base and the options: worst + price * loads
}

// option is a state that a layer can be left in.
type option struct {
	steps int // changes of draft.log to make; -1: take draft.fresh
	loads int // experts to load
	worst float64
}

// freshGain is what a placement made from nothing must gain over the best that
// steps reach, as a fraction of the mean node load, for each expert more to load.
// A new placement moves most experts, so it has to gain clearly more than steps do, and
// must not follow right after steps that came close to it.
const freshGain = 1e-3

// start makes the first option, of a layer from which steps begin.
func (d *draft) start(base option, minGain float64, maxMoves int) {
	d.base, d.chosen, d.price, d.most = base, base, minGain*d.mean, math.MaxInt
	d.least = base.worst + d.price*float64(base.loads)
	if maxMoves > 0 {
		d.most = base.loads + maxMoves
	}
}

// note keeps the state after a step as an option if it is better than all before, and
// says whether further steps can still lead to a better one: an option costs
// worst + price * loads, and its worst cannot be less than the floor.
func (d *draft) note(s *search) bool {
	d.log = append(d.log, s.best.changes[:s.best.n]...)
	d.offer(option{len(d.log), s.loads, s.load[s.busy]})
	return s.loads <= d.most && d.floor+d.price*float64(s.loads) < d.least
}

func (d *draft) offer(o option) {
	if o.worst < d.lowest()*(1-leastGain) {
		d.options = append(d.options, o)
		d.least = min(d.least, o.worst+d.price*float64(o.loads))
	}
}

// lowest is the best busiest load so far.
func (d *draft) lowest() float64 {
	if n := len(d.options); n > 0 {
		return d.options[n-1].worst
	}
	return d.base.worst
}

// finish leaves the layer in the chosen state, once and for all.
func (d *draft) finish(nodes int) {
	words := len(d.holds) / nodes
	if d.chosen.steps < 0 {
		d.holds = d.fresh
	} else if d.log != nil {
		for _, c := range d.log[d.chosen.steps:] {
			d.holds[c.node*words+c.expert>>6] ^= 1 << (c.expert & 63)
		}
	}
	d.chosen, d.log, d.options = option{}, nil, nil
}
