package placement

import "math/bits"

// draft is what one layer could become: the placement in force with no more than
// the changes it must have, then after each further step, and, last, one made
// from nothing.
type draft struct {
	*search
	blank   bool    // no node holds anything yet
	mean    float64 // node load
	base    option  // the necessary changes alone
	options []option
	log     []change // of all steps, in order
	fresh   []uint64 // the placement made from nothing, if it is an option
	chosen  option
}

// option is a state that a layer can be left in.
type option struct {
	steps int // changes of draft.log to make; -1: take draft.fresh
	loads int // experts to load
	worst float64
}

// freshGain is what a placement made from nothing must gain over the best that
// steps reach, as a fraction of the mean node load, for each expert more to load.
// It touches most of what is there, so it never comes for crumbs.
const freshGain = 1e-3

// usualLog is room for as many changes as steps usually make.
const usualLog = 64

// draft makes the options of layer l. now is what the nodes hold (nil for a node
// without).
func (r *Request) draft(l int, now []*Node, room []int, t *trader) *draft {
	cost := r.Loads[l]
	y := newLayer(r.Experts, len(r.Nodes), r.Replicas)
	y.bear(cost, room)
	want, each := spread(cost, r.Replicas, y.nodes, sum(room))
	d := &draft{mean: total(cost) / float64(y.nodes)}
	d.search = newSearch(y, max(d.mean, each.value[each.order[0]]))
	y.keep(now, l)
	if d.blank = sum(y.count) == 0; d.blank {
		y.fresh(want, each)
		d.descend(nil)
		d.wander()
		return d
	}
	y.mend()
	d.thrifty, d.log, d.options = true, make([]change, 0, usualLog), make([]option, 0, usualLog/4)
	d.base = option{0, y.loads, y.load[y.busiest()]}
	d.chosen = d.base
	d.descend(d.note)
	if price := max(r.MinGain, freshGain); d.lowest()-d.floor > price*d.mean*float64(y.nodes) {
		d.anew(want, each, t)
	}
	return d
}

// note keeps the state after a step as an option if it is better than all before.
func (d *draft) note(t *step) {
	d.log = append(d.log, t.changes[:t.n]...)
	d.offer(option{len(d.log), d.loads, d.load[d.busy]})
}

func (d *draft) offer(o option) {
	if o.worst < d.lowest()*(1-leastGain) {
		d.options = append(d.options, o)
	}
}

// lowest is the best busiest load so far.
func (d *draft) lowest() float64 {
	if n := len(d.options); n > 0 {
		return d.options[n-1].worst
	}
	return d.base.worst
}

// anew plans the layer from nothing too.
func (d *draft) anew(want []int, each ranking, t *trader) {
	y := newLayer(d.experts, d.nodes, d.least)
	y.bear(d.cost, d.room)
	s := newSearch(y, d.floor)
	y.fresh(want, each)
	s.descend(nil)
	s.wander()
	d.fresh = t.relabel(d.layer, y)
	d.offer(option{-1, d.loadsOf(d.fresh), y.load[y.busiest()]})
}

// loadsOf counts the experts to load for a placement.
func (y *layer) loadsOf(on []uint64) (n int) {
	for k, word := range on {
		n += bits.OnesCount64(word &^ y.was[k])
	}
	return n
}

// finish leaves the layer in the chosen state.
func (d *draft) finish() {
	if d.chosen.steps < 0 {
		copy(d.on, d.fresh)
		return
	}
	for k := len(d.log) - 1; k >= d.chosen.steps; k-- {
		d.flip(d.log[k].node, d.log[k].expert)
	}
}
