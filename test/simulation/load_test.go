package simulation

import (
	"slices"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// rowsPerSecond of each layer while there is traffic.
const rowsPerSecond = 2000

// shift changes which experts the text needs, and how much of it there is.
func (w *world) shift() {
	w.busy = []float64{0, 0.2, 0.6, 1.5, 3}[w.rnd.IntN(5)]
	for l := range w.load {
		var sum float64
		for e := range w.load[l] {
			x := w.rnd.Float64()
			w.load[l][e] = x * x * x
			sum += w.load[l][e]
		}
		for e := range w.load[l] {
			w.load[l][e] /= sum
		}
	}
}

// loadOf is what a node counted in a window under the placement that is in force.
func (w *world) loadOf(x *pod, window time.Duration) *load.Node {
	seconds := min(window.Seconds(), float64(w.now.UnixNano()-x.prog.started)/1e9)
	n := &load.Node{Name: x.name, Instance: uint64(x.prog.instance), Seconds: seconds, ExpertsPerToken: theModel.ExpertsPerToken, Counts: *load.NewCounts(layers, experts), ExpertBytes: expertBytes}
	d := w.record()
	if d == nil || w.busy == 0 {
		return n
	}
	p := d.Serving
	if p == nil {
		p = d.Target
	}
	me := p.Node(x.name)
	if me == nil {
		return n
	}
	for l := range me.Experts {
		for _, e := range me.Experts[l] {
			copies := 0
			for i := range p.Nodes {
				if slices.Contains(p.Nodes[i].Experts[l], e) {
					copies++
				}
			}
			part := w.load[l][e] / float64(copies) * seconds
			n.Rows[l][e] = uint64(part * rowsPerSecond)
			n.BusyNs[l][e] = uint64(part * w.busy / layers * 1e9)
		}
		n.Requests[l] = 100
		n.RequestQueueNs[l] = uint64(100 * 1e6 * w.busy)
	}
	return n
}
