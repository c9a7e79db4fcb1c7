package simulation

import (
	"maps"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// router is the state of package router/dispatch: the placement in use, what the
// nodes have said of themselves, the calls under way.
type router struct {
	program *program
	current *placement.Placement
	known   map[string]known // by node
	covered int
	calls   []*call
	waits   int // calls that found an expert without an owner
}

// known is a node's last announcement.
type known struct {
	instance int
	ready    int64 // epoch
	held     [layers * experts]bool
}

// call is one token's work in one layer.
type call struct {
	epoch     int64
	placement *placement.Placement
	layer     int
	pairs     []pair
}

type pair struct {
	expert   int
	node     string // where it was sent; "": nowhere yet
	instance int
	done     bool
}

// hear takes a node's announcement, or notes that the node cannot be reached.
func (r *router) hear(name string) {
	x := r.program.pod.w.pods[name]
	if !x.up() || x.cutRouters || r.program.pod.cutRouters || x.prog.draining {
		delete(r.known, name)
	} else {
		r.known[name] = known{x.prog.instance, x.prog.readyEpoch(), x.prog.held}
	}
	r.reroute()
}

// stale says whether hear would change something.
func (r *router) stale(name string) bool {
	x := r.program.pod.w.pods[name]
	k, ok := r.known[name]
	if !x.up() || x.cutRouters || r.program.pod.cutRouters || x.prog.draining {
		return ok
	}
	return !ok || k != known{x.prog.instance, x.prog.readyEpoch(), x.prog.held}
}

// nodes are those that the document names, sorted.
func (r *router) nodes() (names []string) {
	d := r.program.doc
	if d == nil {
		return nil
	}
	for _, p := range []*placement.Placement{d.Serving, d.Target} {
		for i := 0; p != nil && i < len(p.Nodes); i++ {
			names = append(names, p.Nodes[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// reroute chooses the placement for new calls as Dispatcher.reroute does.
func (r *router) reroute() {
	d := r.program.doc
	if d == nil {
		return
	}
	names := r.nodes()
	for name := range r.known {
		if !slices.Contains(names, name) {
			delete(r.known, name)
		}
	}
	r.current = d.Choose(r.epoch(), d.Target != nil && r.coverage(d.Target, d.Target.Epoch) == layers*experts)
	r.covered = r.coverage(r.current, 0)
}

func (r *router) epoch() int64 {
	if r.current == nil {
		return 0
	}
	return r.current.Epoch
}

// placements are those that the router and its calls use.
func (r *router) placements() (list []*placement.Placement) {
	if r.current != nil {
		list = append(list, r.current)
	}
	for _, c := range r.calls {
		if c.placement != r.current {
			list = append(list, c.placement)
		}
	}
	return list
}

// coverage counts the experts of p that have an owner which was ready for epoch
// since, as far as is known.
func (r *router) coverage(p *placement.Placement, since int64) (n int) {
	for l := range layers {
		for e := range experts {
			if len(r.owners(p, l, e, since)) > 0 {
				n++
			}
		}
	}
	return n
}

func (r *router) owners(p *placement.Placement, l, e int, since int64) (names []string) {
	for i := range p.Nodes {
		if k, ok := r.known[p.Nodes[i].Name]; ok && k.ready >= since && k.held[l*experts+e] && slices.Contains(p.Nodes[i].Experts[l], e) {
			names = append(names, p.Nodes[i].Name)
		}
	}
	return names
}

// servingEpoch is the oldest that any call uses.
func (r *router) servingEpoch() int64 {
	epoch := r.epoch()
	for _, c := range r.calls {
		epoch = min(epoch, c.epoch)
	}
	return epoch
}

// silent are the nodes that the router takes for connected and has waited for: those
// that are stopped or cut off and, at times, one that is merely busy.
func (r *router) silent() (names []string) {
	w := r.program.pod.w
	for _, name := range slices.Sorted(maps.Keys(r.known)) {
		if x := w.pods[name]; len(r.calls) > 0 && (!x.up() || x.cutRouters || w.round.fates[name].slow) {
			names = append(names, name)
		}
	}
	return names
}

// begin starts a call for some experts of a layer.
func (r *router) begin(layer int, wanted []int) {
	c := &call{epoch: r.epoch(), placement: r.current, layer: layer}
	for _, e := range wanted {
		c.pairs = append(c.pairs, pair{expert: e})
	}
	r.calls = append(r.calls, c)
}

// send gives a pair to an owner, or leaves it waiting. If the epoch has changed
// since, the call starts over (call.currentRoute).
func (r *router) send(c *call, i int) {
	w := r.program.pod.w
	if c.epoch != r.epoch() {
		for j := range c.pairs {
			c.pairs[j] = pair{expert: c.pairs[j].expert}
		}
		c.epoch, c.placement = r.epoch(), r.current
		w.stats.restarted++
	}
	owners := r.owners(c.placement, c.layer, c.pairs[i].expert, 0)
	if len(owners) == 0 {
		r.waits++
		w.stats.waits++
		return
	}
	name := owners[w.rnd.IntN(len(owners))]
	c.pairs[i].node, c.pairs[i].instance = name, r.known[name].instance
}

// answer lets the node compute the pair. One that does not hold the expert
// refuses; one that is gone or cut off makes the router ask again elsewhere.
func (r *router) answer(c *call, i int) {
	w, p := r.program.pod.w, &c.pairs[i]
	x := w.pods[p.node]
	switch {
	case x == nil || x.prog == nil || x.lost || x.cutRouters || r.program.pod.cutRouters || x.prog.instance != p.instance:
		delete(r.known, p.node)
		r.reroute()
		p.node = ""
	case x.frozen:
		p.node = "" // hedged
		w.stats.waits++
	case !x.prog.held[c.layer*experts+p.expert]:
		if !w.faulty && w.whole[r][c.epoch] {
			w.violate("2", "router %s: node %s refuses layer %d, expert %d under epoch %d, with no fault anywhere",
				r.program.pod.name, p.node, c.layer, p.expert, c.epoch)
		}
		p.node = ""
	default:
		p.done = true
		w.answered(c, p)
	}
}

// step takes a call a step on; it is true when the call is complete.
func (r *router) step(c *call) bool {
	var open []int
	for i := range c.pairs {
		if !c.pairs[i].done {
			open = append(open, i)
		}
	}
	i := open[r.program.pod.w.rnd.IntN(len(open))]
	if c.pairs[i].node == "" {
		r.send(c, i)
	} else {
		r.answer(c, i)
	}
	return !slices.ContainsFunc(c.pairs, func(p pair) bool { return !p.done })
}
