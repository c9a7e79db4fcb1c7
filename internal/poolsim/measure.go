package poolsim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
)

// moment is one slot of a day.
type moment struct {
	tokens   float64 // in proportion
	response float64 // longest mean response of a node (s)
}

// measure computes the slot's queues and notes them in the sliding window.
func (d *day) measure() moment {
	d.spread = d.plans.under(d.plan, d.mix())
	demand := d.config.Trace.Demand[d.slot]
	rate := d.rate * demand
	m := moment{tokens: demand}
	for _, c := range d.spread.busiest {
		m.response = max(m.response, c.at(rate*c.station.work).response)
	}
	d.window.slot(d, rate)
	return m
}

// windowSlots is what signals are means of, at most: the operator's window of 60 s.
const windowSlots = 12

// window holds the figures of the last slots.
type window struct {
	at    int
	busy  [windowSlots][]float64
	queue [windowSlots][]float64
	wait  [windowSlots]float64
	since []int // slots that each node has served, at most windowSlots
	out   []autoscale.Node
}

// resize keeps the figures of the nodes that stay.
func (w *window) resize(nodes int) {
	for i := range w.busy {
		w.busy[i], w.queue[i] = fit(w.busy[i], nodes), fit(w.queue[i], nodes)
	}
	w.since = fit(w.since, nodes)
}

func fit[T any](s []T, n int) []T {
	if n <= len(s) {
		return s[:n]
	}
	return append(s, make([]T, n-len(s))...)
}

// slot notes what nodes would measure. Which requests come in a slot is chance:
// the busy time of a node has the variance of a Poisson stream of frames.
func (w *window) slot(d *day, rate float64) {
	w.at = (w.at + 1) % windowSlots
	w.wait[w.at] = 0
	for i := range d.spread.nodes {
		n := &d.spread.nodes[i]
		s := d.spread.curves[i].at(rate*n.work + d.r.NormFloat64()*math.Sqrt(rate*n.square/Slot))
		w.busy[w.at][i], w.queue[w.at][i] = s.busy, s.queue
		w.wait[w.at] += rate * n.frames * s.queue
		w.since[i] = min(w.since[i]+1, windowSlots)
	}
}

// nodes are the means of the last so many slots as signals.
func (w *window) nodes(slots int) []autoscale.Node {
	w.out = w.out[:0]
	list := names(len(w.since))
	for i := range w.since {
		since := min(w.since[i], slots)
		var busy, queue float64
		for k := range since {
			at := (w.at - k + windowSlots) % windowSlots
			busy, queue = busy+w.busy[at][i], queue+w.queue[at][i]
		}
		n := float64(max(since, 1))
		w.out = append(w.out, autoscale.Node{Name: list[i].Name, Ordinal: i, Ready: true, Utilization: busy / n,
			Queue: time.Duration(queue / n * float64(time.Second)), Covered: time.Duration(float64(since) * Slot * float64(time.Second))})
	}
	return w.out
}

func (w *window) waiting() float64 {
	var sum float64
	for k := range hpaWindow {
		sum += w.wait[(w.at-k+windowSlots)%windowSlots]
	}
	return sum / hpaWindow
}

// meter adds a day up.
type meter struct {
	Result Result
	tokens []float64
}

func (m *meter) add(d *day, t moment) {
	r := &m.Result
	r.NodeHours += float64(d.pool.exist) * Slot / 3600
	if n := len(r.Nodes); n > 0 && r.Nodes[n-1] != d.pool.exist {
		r.Steps++
	}
	r.Most = max(r.Most, d.pool.exist)
	r.Nodes = append(r.Nodes, d.pool.exist)
	r.Response = append(r.Response, t.response)
	m.tokens = append(m.tokens, t.tokens)
}

func (m *meter) result(bound float64) *Result {
	r := &m.Result
	order := make([]int, len(r.Response))
	var all, late float64
	for i, t := range m.tokens {
		order[i] = i
		all += t
		if r.Response[i] > bound {
			late += t
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(r.Response[b], r.Response[a]) })
	left := all / 100
	for _, i := range order {
		if left -= m.tokens[i]; left < 0 {
			r.P99 = r.Response[i]
			break
		}
	}
	r.Late = late / all
	return r
}
