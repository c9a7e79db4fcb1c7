package poolsim

import (
	"cmp"
	"slices"
)

// under is what mix asks of the plan's nodes.
func (c *plans) under(p *plan, mix int) *spread {
	s := p.spread[mix]
	if s == nil {
		s = newSpread(p, c.work[mix])
		p.spread[mix] = s
	}
	return s
}

// watched is how many of the nodes with most work are looked at one by one: the
// policies see their figures, and one of them has the longest response. More work
// may still be an earlier answer, if it comes in smaller pieces.
const watched = 16

func newSpread(p *plan, work [][]activation) *spread {
	s := &spread{nodes: make([]station, p.nodes())}
	for l := range Layers {
		s.addLayer(p, l, work[l])
	}
	order := make([]int, len(s.nodes))
	typical := &curve{}
	for i := range s.nodes {
		order[i] = i
		s.curves = append(s.curves, typical)
		typical.station.add(&s.nodes[i], 1/float64(len(s.nodes)))
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.nodes[b].work, s.nodes[a].work) })
	for _, i := range order[:min(watched, len(order))] {
		s.curves[i] = &curve{station: s.nodes[i]}
		s.busiest = append(s.busiest, s.curves[i])
	}
	return s
}

func (n *station) add(m *station, part float64) {
	n.work += part * m.work
	n.square += part * m.square
	n.rows += part * m.rows
	n.chosen += part * m.chosen
	n.squared += part * m.squared
	n.frames += part * m.frames
}

// addLayer adds what frames of layer l bring. A frame takes one of an expert's
// copies at random, so each copy sees that part of the frames. What several
// experts of a frame bring to a node comes together.
func (s *spread) addLayer(p *plan, l int, work []activation) {
	copies := make([]float64, Experts)
	for i := range s.nodes {
		for _, e := range p.list(i, l) {
			copies[e]++
		}
	}
	for i := range s.nodes {
		node := &s.nodes[i]
		var mean, variance, none float64 = 0, 0, 1
		for _, e := range p.list(i, l) {
			a, part := work[e], 1/copies[e]
			mean += part * a.mean
			variance += part*a.square - part*a.mean*part*a.mean
			none *= 1 - part*a.chosen
			node.rows += part * a.rows
			node.chosen += part * a.chosen
			node.squared += part * a.chosen * part * a.chosen
		}
		node.work += mean
		node.square += variance + mean*mean
		node.frames += 1 - none
	}
}
