package load

import (
	"math"
	"slices"
	"time"
)

const (
	// LooksPerWindow is how often a planner looks in each window.
	LooksPerWindow = 4
	// alikeShare: stretches of traffic are of one kind if a tenth of the rows went to
	// other experts, or fewer. Between kinds of text a fifth to a half does (OLMoE's
	// own counts), between kinds of the same corpus a twentieth.
	alikeShare = 0.1
	// alikeChance is how many times what chance does on average may come on top.
	alikeChance = 2
)

// Kind follows what kind of traffic there is. A planner that took the sum of what
// was before a change and after it would place experts for traffic that there never
// is, and spend on that what it may move.
type Kind struct {
	recent [][][]float64 // rows between looks, newest first
	held   int           // looks in a row at which the traffic was changing
}

// Look takes the rows since the last look, [layer][expert], and returns how many of the
// last looks the planner shall sum: the whole window if nothing changed in it, fewer
// after a change of traffic, and 0 while it is changing. Traffic that never settles is
// summed window by window.
func (k *Kind) Look(rows [][]float64) (looks int) {
	k.recent = append([][][]float64{rows}, k.recent[:min(len(k.recent), LooksPerWindow-1)]...)
	n := alike(k.recent)
	switch {
	case n == len(k.recent) || k.held == LooksPerWindow:
		n = LooksPerWindow
	case n == 1:
		k.held++
		return 0
	default:
		n-- // the oldest that is alike may be half of before
	}
	k.held = 0
	return n
}

// Forget is for a look that not all nodes have answered.
func (k *Kind) Forget() { *k = Kind{} }

// alike says how many of the newest stretches of traffic are of one kind, at least 1.
func alike(stretches [][][]float64) int {
	n := 1
	for n < len(stretches) && apart(stretches[0], stretches[n]) <= 0 {
		n++
	}
	return n
}

// apart is how far two stretches differ beyond what counts as alike: the part of rows that
// went to other experts, less the tolerance, in the mean of the layers. Negative: alike.
func apart(a, b [][]float64) float64 {
	if !slices.EqualFunc(a, b, func(x, y []float64) bool { return len(x) == len(y) }) {
		return math.Inf(1) // another model's
	}
	var moved, limit float64
	for l := range a {
		m, chance := distance(a[l], b[l])
		moved += m
		limit += alikeShare + alikeChance*chance
	}
	return moved - limit
}

// distance is the part of one list's sum that is at other places in the other (the
// total variation distance of their shares), and about how much chance alone makes
// it if each counts independent draws.
func distance(a, b []float64) (moved, chance float64) {
	var m, n float64
	for e := range a {
		m, n = m+a[e], n+b[e]
	}
	if m == 0 || n == 0 {
		return 0, 0
	}
	for e := range a {
		moved += math.Abs(a[e]/m-b[e]/n) / 2
	}
	return moved, math.Sqrt(float64(len(a)) / (2 * math.Pi) * (1/m + 1/n))
}

// RowsWithin is Rows of a window: snapshots are an Interval apart, so what a node
// tells may be of a longer time than another's, and is scaled down to the window.
// One that has just started and tells less counts as it is.
func RowsWithin(nodes []*Node, window time.Duration) [][]float64 {
	return within(nodes, window, func(n *Node) Matrix { return n.Rows })
}

// ActivationsWithin adds up how often each expert's weights were read in a window, likewise.
func ActivationsWithin(nodes []*Node, window time.Duration) [][]float64 {
	return within(nodes, window, func(n *Node) Matrix { return n.Activations })
}

func within(nodes []*Node, window time.Duration, of func(*Node) Matrix) [][]float64 {
	return addParts(nodes, of, func(n *Node) float64 {
		if n.Seconds > window.Seconds() {
			return window.Seconds() / n.Seconds
		}
		return 1
	})
}
