package placement

import "slices"

// Move is one expert that a node has to load.
type Move struct {
	Layer, Expert int
	// From is a node that held it before: the one that gives it up, or, for one
	// more copy, another holder. Empty if no node held it.
	From string
	To   string
	// Bytes to load.
	Bytes int64
	// Reason: "moved", "replica added" or "had no owner".
	Reason string
}

// Diff lists what nodes must load to get from one placement (nil: nothing is
// loaded) to the next, by layer, expert and node of to. What is only given up
// costs nothing and is not listed.
func Diff(from, to *Placement, expertBytes int64) []Move {
	var moves []Move
	for l := range to.Layers {
		was, is := holders(from, l, to.Experts), holders(to, l, to.Experts)
		for e := range to.Experts {
			moves = append(moves, expertMoves(l, e, was[e], is[e], expertBytes)...)
		}
	}
	return moves
}

func expertMoves(l, e int, was, is []string, bytes int64) []Move {
	var moves []Move
	left := without(was, is)
	for _, to := range without(is, was) {
		m := Move{Layer: l, Expert: e, To: to, Bytes: bytes, Reason: "had no owner"}
		switch {
		case len(left) > 0:
			m.From, m.Reason, left = left[0], "moved", left[1:]
		case len(was) > 0:
			m.From, m.Reason = was[0], "replica added"
		}
		moves = append(moves, m)
	}
	return moves
}

// holders lists, for each expert of layer l, the nodes that hold it.
func holders(p *Placement, l, experts int) [][]string {
	out := make([][]string, experts)
	if p == nil {
		return out
	}
	for _, n := range p.Nodes {
		if l >= len(n.Experts) {
			continue
		}
		for _, e := range n.Experts[l] {
			if e >= 0 && e < experts {
				out[e] = append(out[e], n.Name)
			}
		}
	}
	return out
}

func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
