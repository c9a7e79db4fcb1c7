package load

import (
	"math"
	"slices"
)

// Work says what makes work for a node: n rows of one expert in a batch take time
// in proportion to Read + Row*n, as its weights are read once and its arithmetic
// grows with the rows. Without Read a node is compute-bound and tokens count;
// without Row it is memory-bound and activated experts do (the roofline's two
// sides: Williams, Waterman and Patterson 2009).
type Work struct{ Row, Read float64 }

// Costs is what a planner takes as loads: what each expert costs, [layer][expert],
// from how many rows it had and in how many batches. Nil for nil.
func (w Work) Costs(rows, activations [][]float64) [][]float64 {
	if rows == nil {
		return nil
	}
	out := make([][]float64, len(rows))
	for l := range out {
		out[l] = make([]float64, len(rows[l]))
		for e := range out[l] {
			out[l][e] = w.Row*rows[l][e] + w.Read*activations[l][e]
		}
	}
	return out
}

// Reading is the part of the nodes' work that is reading weights, 0 to 1; 0
// without any work.
func (w Work) Reading(nodes []*Node) float64 {
	var rows, reads float64
	for _, n := range nodes {
		for l := range n.Rows {
			rows += w.Row * float64(Total(n.Rows[l]))
			reads += w.Read * float64(Total(n.Activations[l]))
		}
	}
	if reads == 0 {
		return 0
	}
	return reads / (rows + reads)
}

const (
	// stall is by how much, as a logarithm, a layer's time may differ from the median of
	// its node's layers: a larger difference has another cause than rows and reads.
	stall = 0.7
	// Priors of the fit: noise is the expected scatter of a layer's time, slope how far
	// the trend may well be from 0 (it lies between -6 and 4). With few samples the
	// result stays near the model.
	noise, slope = 0.1, 3
)

// Fit learns from what the nodes measured. Times of single experts are shared out
// by a model (ADR 0083), but a whole layer's is real: so each layer of each node
// says how long it took for its work by that model, and which part of that work was
// reads. If layers with more reads take longer than the model says, reads cost more
// than it says. Layers are compared with those of the same node, so that a slow node
// teaches nothing. With little to learn from the answer is the model's.
func Fit(nodes []*Node) Work {
	var reads, work, spread, trend float64
	for _, n := range nodes {
		s := n.samples()
		for i, x := range s.reads {
			reads, work = reads+x*s.work[i], work+s.work[i]
		}
		s.center()
		for i, x := range s.reads {
			spread, trend = spread+x*x, trend+x*s.slow[i]
		}
	}
	if reads == 0 {
		return Work{Row: 1, Read: readRows}
	}
	mean, per := reads/work, trend/(spread+noise*noise/(slope*slope))
	// Time per work is 1 + per*(reads - mean); nothing costs less than nothing.
	per = min(max(per, -readRows/(1-readRows*mean)), 1/mean)
	row := max(0, 1-per*mean)
	return Work{Row: row, Read: max(0, readRows*row+per)}
}

// samples are of one node; an entry of each list is a layer that computed something.
type samples struct {
	work  []float64 // rows + readRows * activations
	reads []float64 // activations per work
	slow  []float64 // logarithm of the time per work
}

func (n *Node) samples() (s samples) {
	for l := range n.Rows {
		active, busy := float64(Total(n.Activations[l])), float64(Total(n.BusyNs[l]))
		if active == 0 || busy == 0 {
			continue
		}
		work := float64(Total(n.Rows[l])) + readRows*active
		s.work, s.reads, s.slow = append(s.work, work), append(s.reads, active/work), append(s.slow, math.Log(busy/work))
	}
	return s
}

// center leaves of reads and slow how far they are from what is usual on the node.
func (s *samples) center() {
	if len(s.slow) == 0 {
		return
	}
	usual := slices.Sorted(slices.Values(s.slow))[len(s.slow)/2]
	for i, v := range s.slow {
		s.slow[i] = min(max(v-usual, -stall), stall)
	}
	shift(s.reads)
	shift(s.slow)
}

// shift makes the mean 0.
func shift(list []float64) {
	sum := Total(list)
	for i := range list {
		list[i] -= sum / float64(len(list))
	}
}
