package dispatch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// offline makes a dispatcher for a placement whose nodes are not connected: tests
// announce for them. It has a target, as while nodes load.
func offline(d *Dispatcher, copies int, names ...string) []*node {
	p := &placement.Placement{Epoch: 1, Layers: d.opts.Layers, Experts: d.opts.Experts}
	nodes := make([]*node, len(names))
	for i, name := range names {
		nodes[i] = &node{d: d, name: name}
		d.nodes[name] = nodes[i]
		p.Nodes = append(p.Nodes, placement.Node{Name: name, Experts: make([][]int, p.Layers)})
	}
	for l := range p.Layers {
		for e := range p.Experts {
			for k := range copies {
				n := &p.Nodes[(l+e+k*len(names)/copies)%len(names)]
				n.Experts[l] = append(n.Experts[l], e)
			}
		}
	}
	target := *p
	target.Epoch = 2
	d.doc = &placement.Document{Revision: 1, Serving: p, Target: &target}
	d.reroute()
	return nodes
}

// said is what a node announces: that it holds everything but some of layer 0.
func said(d *Dispatcher, n *node, instance, sequence uint64, without ...int) *wire.Announce {
	a := &wire.Announce{Name: n.name, Instance: instance, Sequence: sequence, ReadyEpoch: 1, Hidden: d.opts.Hidden,
		Fingerprint: d.opts.Model, Held: wire.NewBitmap(d.opts.Layers, d.opts.Experts)}
	for l := range d.opts.Layers {
		for e := range d.opts.Experts {
			if l > 0 || !slices.Contains(without, e) {
				a.Held.Set(l, e)
			}
		}
	}
	return a
}

// What a lane says is heard on the others, too: only what is new makes a new route.
func TestNewsAloneMakeARoute(t *testing.T) {
	d := router(t, nil)
	a := offline(d, 1, "a")[0]
	tests := []struct {
		name    string
		hello   bool
		say     *wire.Announce
		rebuilt bool
	}{
		{"first lane", true, said(d, a, 1, 1, 2, 3), true},
		{"second lane", true, said(d, a, 1, 1, 2, 3), true},
		{"an expert is loaded", false, said(d, a, 1, 2, 3), true},
		{"and told on the other lane", false, said(d, a, 1, 2, 3), false},
		{"a newer one with nothing new", false, said(d, a, 1, 3, 3), false},
		{"an older one", false, said(d, a, 1, 2, 2, 3), false},
		{"one is loaded, another dropped", false, said(d, a, 1, 4, 2), true},
		{"ready for an epoch", false, func() *wire.Announce { s := said(d, a, 1, 5, 2); s.ReadyEpoch = 2; return s }(), true},
		{"draining", false, func() *wire.Announce { s := said(d, a, 1, 6, 2); s.ReadyEpoch, s.Draining = 2, true; return s }(), true},
		{"another process", true, said(d, a, 2, 1, 2), true},
		{"the one before it", false, said(d, a, 1, 7), false},
		{"another process that holds the same", true, said(d, a, 3, 1, 2), true},
	}
	for _, tt := range tests {
		before := d.route.Load()
		if err := a.announced(tt.say, tt.hello); err != nil {
			t.Fatal(err)
		}
		if rebuilt := d.route.Load() != before; rebuilt != tt.rebuilt {
			t.Errorf("%s: a new route: %v, want %v", tt.name, rebuilt, tt.rebuilt)
		}
	}
}

// stale says whether a rebuild, which it makes, changes anything.
func stale(d *Dispatcher) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was, covered := d.route.Load(), d.ready
	d.reroute()
	now := d.route.Load()
	return !slices.EqualFunc(was.owners, now.owners, slices.Equal[[]*node]) || was.epoch != now.epoch || covered != d.ready
}

// Invariants 2 and 3: whatever is said in whatever order, the route, its epoch and the epoch
// that is covered are those that a rebuild makes: none was left out that was due.
func TestTheRouteIsNeverStale(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		d := router(t, nil)
		nodes := offline(d, 2, "a", "b", "c")
		for step := range 500 {
			n := nodes[rng.IntN(len(nodes))]
			say := said(d, n, n.instance+uint64(rng.IntN(20)/19), n.sequence+uint64(rng.IntN(3)), rng.Perm(small.experts)[:rng.IntN(3)]...)
			say.ReadyEpoch, say.Draining = 1+int64(rng.IntN(2)), rng.IntN(5) == 0
			if n.up > 0 && rng.IntN(4) == 0 {
				n.laneDown(errTimeout)
			} else if err := n.announced(say, n.up == 0 || rng.IntN(10) == 0); err != nil {
				t.Fatal(err)
			}
			if stale(d) {
				t.Fatalf("seed %d, step %d: node %s has said %+v, and the route is stale", seed, step, n.name, say)
			}
		}
	}
}

// A node that loads tells each lane of every expert.
func BenchmarkAnnouncements(b *testing.B) {
	for _, size := range []struct{ nodes, copies int }{{64, 2}, {256, 1}, {256, 8}} {
		b.Run(fmt.Sprintf("%d nodes, %d copies", size.nodes, size.copies), func(b *testing.B) {
			d := New(Options{Layers: 16, Experts: 64, Hidden: 64, Log: logr.Discard()})
			var names []string
			for i := range size.nodes {
				names = append(names, fmt.Sprint("n", i))
			}
			nodes := offline(d, size.copies, names...)
			for _, n := range nodes {
				if err := n.announced(said(d, n, 1, 1), true); err != nil {
					b.Fatal(err)
				}
			}
			says := []*wire.Announce{said(d, nodes[0], 1, 1, 0), said(d, nodes[0], 1, 1)}
			b.ReportAllocs()
			for i := uint64(2); b.Loop(); i++ {
				for range 2 { // lanes
					say := says[i%2]
					say.Sequence = i
					if err := nodes[0].announced(say, false); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
