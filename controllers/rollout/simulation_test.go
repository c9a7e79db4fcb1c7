package rollout

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// cluster is a simulated pool: pods that load, restart and come late, routers
// that switch when they can, an operator whose view is a moment old and who may
// die before it has published. Every step is one random event.
type cluster struct {
	t       *testing.T
	rnd     *rand.Rand
	doc     *placement.Document // the record
	want    int                 // expert nodes in the spec
	copies  int
	pods    int // of the StatefulSet
	nodes   map[string]*simNode
	routers []*simRouter
}

type simNode struct {
	doc    *placement.Document
	loaded map[[2]int]bool
	up     bool
}

type simRouter struct {
	doc     *placement.Document
	serving *placement.Placement
}

func newCluster(t *testing.T, seed uint64) *cluster {
	c := &cluster{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), want: 2, copies: 1, pods: 2, nodes: map[string]*simNode{}}
	for range 1 + c.rnd.IntN(3) {
		c.routers = append(c.routers, &simRouter{})
	}
	return c
}

// wanted are the experts that a node keeps: the union of both placements.
func wanted(d *placement.Document, name string) map[[2]int]bool {
	out := map[[2]int]bool{}
	if d == nil {
		return out
	}
	for _, p := range []*placement.Placement{d.Serving, d.Target} {
		if p == nil || p.Node(name) == nil {
			continue
		}
		for l, experts := range p.Node(name).Experts {
			for _, e := range experts {
				out[[2]int{l, e}] = true
			}
		}
	}
	return out
}

func (c *cluster) holds(node placement.Node) bool {
	n := c.nodes[node.Name]
	if n == nil || !n.up {
		return false
	}
	for l, experts := range node.Experts {
		for _, e := range experts {
			if !n.loaded[[2]int{l, e}] {
				return false
			}
		}
	}
	return true
}

// readyEpoch is the highest epoch of its document that a node holds its part of.
func (c *cluster) readyEpoch(name string) (epoch int64) {
	n := c.nodes[name]
	if n.doc == nil {
		return 0
	}
	for _, p := range []*placement.Placement{n.doc.Serving, n.doc.Target} {
		if p == nil {
			continue
		}
		if node := p.Node(name); node == nil || c.holds(*node) {
			epoch = max(epoch, p.Epoch)
		}
	}
	return epoch
}

// look is what the operator sees.
func (c *cluster) look() State {
	s := State{Members: members(c.want), Replicas: c.copies, Doc: c.doc, Nodes: map[string]Node{}}
	for name, n := range c.nodes {
		if n.up {
			s.Nodes[name] = Node{Model: olmoe, Revision: revision(n.doc), ReadyEpoch: c.readyEpoch(name)}
		}
	}
	for i, r := range c.routers {
		x := Router{Name: fmt.Sprint("r", i), Model: olmoe, Running: true, Revision: revision(r.doc)}
		if r.serving != nil {
			x.ServingEpoch = r.serving.Epoch
		}
		s.Routers = append(s.Routers, x)
	}
	return s
}

func revision(d *placement.Document) int64 {
	if d == nil {
		return 0
	}
	return d.Revision
}

// operate is one round of the operator; it may die before the StatefulSet changes.
func (c *cluster) operate() {
	d := Decide(c.look())
	if d.Doc != c.doc {
		if d.Doc.Revision <= revision(c.doc) {
			c.t.Fatalf("revision %d published after %d", d.Doc.Revision, revision(c.doc))
		}
		if err := d.Doc.Validate(); err != nil {
			c.t.Fatal(err)
		}
		c.doc = d.Doc
	}
	if c.rnd.IntN(4) > 0 {
		c.pods = d.Nodes
	}
}

// kubelet makes pods come and go.
func (c *cluster) kubelet() {
	for name := range c.nodes {
		if Ordinal(name) >= c.pods {
			delete(c.nodes, name)
		}
	}
	name := members(c.pods)[c.rnd.IntN(c.pods)].Name
	if c.nodes[name] == nil {
		c.nodes[name] = &simNode{up: true, loaded: map[[2]int]bool{}}
	}
}

// node lets a node read the newest document (newer ones only), load one expert,
// or drop what no placement of its document needs.
func (c *cluster) node() {
	for _, name := range c.names() {
		n := c.nodes[name]
		if c.rnd.IntN(2) == 0 {
			continue
		}
		if revision(c.doc) > revision(n.doc) && c.rnd.IntN(3) == 0 {
			n.doc = c.doc
		}
		want := wanted(n.doc, name)
		for pair := range n.loaded {
			if !want[pair] {
				delete(n.loaded, pair)
			}
		}
		for pair := range want {
			if c.rnd.IntN(2) == 0 {
				n.loaded[pair] = true
			}
		}
	}
}

func (c *cluster) names() []string {
	var names []string
	for name := range c.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// route lets routers read documents and choose a placement, as the dispatcher does.
func (c *cluster) route() {
	for _, r := range c.routers {
		if revision(c.doc) > revision(r.doc) && c.rnd.IntN(3) == 0 {
			r.doc = c.doc
		}
		switch d := r.doc; {
		case d == nil:
		case d.Target == nil:
			r.serving = d.Serving
		case c.complete(d.Target) || d.Serving == nil || r.serving != nil && r.serving.Epoch == d.Target.Epoch:
			r.serving = d.Target
		default:
			r.serving = d.Serving
		}
	}
}

func (c *cluster) complete(p *placement.Placement) bool {
	return !slices.ContainsFunc(p.Nodes, func(n placement.Node) bool { return !c.holds(n) })
}

// crash restarts a random expert node: it forgets everything.
func (c *cluster) crash() {
	if names := c.names(); len(names) > 0 {
		c.nodes[names[c.rnd.IntN(len(names))]] = &simNode{up: true, loaded: map[[2]int]bool{}}
	}
}

// check: while nothing crashes, what a router uses is held by its owners, from
// the first moment that it was (make before break).
func (c *cluster) check(calm bool, covered map[*simRouter]int64) {
	for i, r := range c.routers {
		if r.serving == nil {
			continue
		}
		whole := c.complete(r.serving)
		if calm && covered[r] > 0 && !whole {
			c.t.Fatalf("router %d uses placement %d, which has lost an owner; record %s", i, r.serving.Epoch, shape(c.doc))
		}
		if whole {
			covered[r] = r.serving.Epoch
		}
	}
}

// TestSimulation runs random histories. Without crashes no router ever loses an
// owner, whatever the spec does; with crashes everything settles again.
func TestSimulation(t *testing.T) {
	for seed := range uint64(150) {
		for _, calm := range []bool{true, false} {
			c := newCluster(t, seed)
			covered := map[*simRouter]int64{}
			for range 300 {
				c.step(calm)
				c.check(calm, covered)
			}
			c.settle(seed)
		}
	}
}

func (c *cluster) step(calm bool) {
	switch n := c.rnd.IntN(20); {
	case n < 6:
		c.operate()
	case n < 10:
		c.node()
	case n < 14:
		c.route()
	case n < 17:
		c.kubelet()
	case n == 17:
		c.want = 1 + c.rnd.IntN(5)
		c.copies = min(c.want, 1+c.rnd.IntN(2))
	case n == 18 && !calm:
		c.crash()
	}
}

// settle stops changing the spec: everything must come to rest as wanted.
func (c *cluster) settle(seed uint64) {
	for range 4000 {
		c.operate()
		c.kubelet()
		c.node()
		c.route()
		if d := Decide(c.look()); c.doc != nil && c.doc.Target == nil && d.Doc == c.doc && d.Waiting == "" &&
			c.pods == c.want && len(c.doc.Serving.Nodes) == c.want && c.complete(c.doc.Serving) {
			return
		}
	}
	c.t.Fatalf("seed %d: not at rest: %s, want %d nodes, have %d pods: %+v", seed, shape(c.doc), c.want, c.pods, Decide(c.look()))
}
