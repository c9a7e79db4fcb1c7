package planner

import (
	"cmp"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// worker drafts one layer after another. Its memory serves them all.
type worker struct {
	*Request
	now     []*placement.Node // what the nodes hold
	room    []int
	dom     *domains
	keep    bool      // nodes keep what they hold, though it is uneven
	left    int       // experts that nodes may still load so that copies part
	cost    []float64 // of the layer's experts
	total   []float64 // load of each node in all layers at present
	ideal   *spread
	steps   *search // from what the nodes hold, or from nothing where that is nothing
	anew    *search // from nothing beside that; made when first needed
	trader  trader
	options []option
	log     []change
}

// drafts drafts all layers. What it returns besides is what is left of MaxMoves: experts
// whose copies have to part come first.
func (r *Request) drafts(now []*placement.Node, room []int, dom *domains) ([]draft, int) {
	drafts := make([]draft, r.Layers)
	nodes, words, total := len(r.Nodes), (r.Experts+63)/64, r.totals(now)
	holds, load := make([]uint64, r.Layers*nodes*words), make([]float64, r.Layers*nodes)
	// Uneven numbers alone move nothing where no limit of slots asks for it: domains may
	// have made them, or loads.
	keep := !r.limited() && (r.Cover || r.Current != nil && r.Current.Validate() == nil && r.Satisfied(r.Current))
	var next atomic.Int32
	work := func() (left int) {
		w := &worker{Request: r, now: now, room: room, dom: dom, keep: keep, left: cmp.Or(r.MaxMoves, math.MaxInt32), total: total,
			cost: make([]float64, r.Experts), ideal: newSpread(r.Experts), steps: newSearch(r, room, dom, total)}
		for l := int(next.Add(1)) - 1; l < r.Layers; l = int(next.Add(1)) - 1 {
			drafts[l].holds, drafts[l].load = holds[l*nodes*words:][:nodes*words], load[l*nodes:][:nodes]
			w.draft(l, &drafts[l])
		}
		return w.left
	}
	var others sync.WaitGroup
	for range r.hands(dom) - 1 {
		others.Go(func() { work() })
	}
	left := work()
	others.Wait()
	return drafts, left
}

// hands is how many workers may share the layers: what one drafts depends on no other
// layer, unless copies have to part within MaxMoves, which the layers before use up.
func (r *Request) hands(dom *domains) int {
	if dom != nil && r.MaxMoves > 0 {
		return 1
	}
	return min(runtime.GOMAXPROCS(0), r.Layers)
}

// totals adds up what the layers cost each node at present.
func (r *Request) totals(now []*placement.Node) []float64 {
	held, copies := make([]float64, len(now)), make([]float64, r.Experts)
	for l, cost := range r.Loads {
		clear(copies)
		each(now, l, r.Experts, func(_, e int) { copies[e]++ })
		each(now, l, r.Experts, func(i, e int) { held[i] += cost[e] / copies[e] })
	}
	return held
}

// draft makes the options of layer l.
func (w *worker) draft(l int, d *draft) {
	s, cost := w.steps, w.cost
	counted(cost, w.Loads[l])
	w.ideal.over(cost, w.Replicas, s.nodes, sum(w.room))
	d.mean = total(cost) / float64(s.nodes)
	d.floor = max(d.mean, w.ideal.worst())
	s.begin(cost, d.floor)
	s.keep(w.now, l)
	s.settleRoom(w.room, w.keep)
	d.blank = s.used == 0
	switch {
	case w.Cover:
		s.first = l % s.nodes
		s.mend(1)
	case d.blank:
		s.fromNothing(w.ideal)
	default:
		s.mend(w.Replicas)
		must := s.loads
		s.partByLoad(must + w.left)
		w.left -= s.loads - must
		w.change(d)
	}
	copy(d.load, s.load)
	copy(d.holds, s.holds)
	if !d.blank && !w.Cover {
		w.settle(d)
	}
}

// fromNothing places by load on empty nodes.
func (s *search) fromNothing(ideal *spread) {
	s.fresh(ideal)
	s.partByLoad(math.MaxInt)
	s.descend(nil)
	s.wander()
}

// change makes the options of a layer that nodes hold something of.
func (w *worker) change(d *draft) {
	s := w.steps
	s.thrifty = true
	copy(s.byEach.order, w.ideal.each.order)
	d.log, d.options = w.log[:0], w.options[:0]
	d.start(option{0, s.loads, s.load[s.busiest()]}, w.MinGain, w.MaxMoves)
	s.descend(d.note)
	if price := max(w.MinGain, freshGain); d.lowest()-d.floor > price*d.mean*float64(s.nodes) {
		w.remake(d)
	}
	w.log, w.options = d.log, d.options
}

// remake plans the layer from nothing too.
func (w *worker) remake(d *draft) {
	if w.anew == nil {
		// Nodes have no load, as where nothing is held: a plan's own result is found again, not
		// another one, better by luck.
		w.anew = newSearch(w.Request, w.room, w.dom, make([]float64, len(w.total)))
	}
	s := w.steps
	w.anew.begin(s.cost, d.floor)
	w.anew.settleRoom(s.room, false)
	w.anew.fromNothing(w.ideal)
	d.half = s.used / 2
	d.fresh = w.trader.relabel(s.layer, w.anew.layer)
	d.offer(option{-1, s.loadsOf(d.fresh), w.anew.load[w.anew.busiest()]})
}

// settle chooses, or keeps what the choice is made from when all layers are drafted.
func (w *worker) settle(d *draft) {
	if w.MaxMoves > 0 {
		d.log, d.options = slices.Clone(d.log), slices.Clone(d.options)
		return
	}
	d.choose(w.MinGain)
	d.finish(w.steps.nodes)
}

// loadsOf counts the experts to load for a placement.
func (y *layer) loadsOf(holds []uint64) (n int) {
	for k, word := range holds {
		n += bits.OnesCount64(word &^ y.before[k])
	}
	return n
}
