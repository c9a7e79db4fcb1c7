package pool

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

const (
	// toleratedMisses: a node may miss one look; after the second the balancer says
	// that it does not know the load.
	toleratedMisses = 1
	// minRowsPerNode: with fewer rows a layer in the window, a node's share of them
	// is chance by more than a tenth, and nothing moves.
	minRowsPerNode = 100
	// wholePart is the part of a window that every node must have told: a node that
	// has just started knows little of its experts.
	wholePart = 0.9
	// toleratedShort: a node that has told too little may tell less than before at one look,
	// for it has restarted; after the second it does not get on.
	toleratedShort = 1
	// chance: a gain counts from so many standard deviations of a node's share.
	chance = 3
)

// looks is what was found of the load, from look to look.
type looks struct {
	last        time.Time    // look
	missed      int          // looks in a row at which a node was missing
	report      *load.Report // of the last one; nil before the first
	work        load.Work    // what a row and a read cost by that report
	kind        load.Kind    // of traffic
	rows        [][]float64  // of the window, or since the traffic has changed, [layer][expert]
	activations [][]float64  // likewise
	costs       [][]float64  // what experts cost in the last window that was told whole
	learnt      time.Time    // when that was
	judged      time.Time    // when the load was last judged, or there began to be one to judge
	judges      int64        // the epoch of the placement that it is judged under; 0: none is

	told       map[string]float64 // seconds that nodes told about at the last look, by name
	shortLooks int                // looks in a row at which a node told too little, and not more than before
}

// expectJudgement begins to wait for the load to be judged: where there is something to
// judge for the first time, or under another placement than before.
func (l *looks) expectJudgement(p *placement.Placement, measures bool, now time.Time) {
	if p == nil || !measures {
		l.judges = 0
	} else if p.Epoch != l.judges {
		l.judges, l.judged = p.Epoch, now
	}
}

// known says whether the figures of the last look still hold: an operator that may not
// look, or reaches nobody, knows nothing after two intervals.
func (l *looks) known(interval time.Duration, now time.Time) bool {
	return l.report != nil && l.missed == 0 && now.Sub(l.last) <= 2*interval
}

// learn keeps what experts cost by a look for the planner, [layer][expert], if every
// node has told a whole window and there are enough rows in what was added up:
// tokens, reads of weights, or both, as the nodes' times tell.
func (l *looks) learn(window time.Duration, now time.Time) {
	if l.missed > 0 || !l.wholeWindow(window) || l.rowsPerNode() < minRowsPerNode {
		return
	}
	l.costs, l.learnt = l.work.Costs(withFew(l.rows), withFew(l.activations)), now
}

// recent is what was learnt last, if that is not long ago: also for a plan that
// has to do without the node that is silent now.
func (l *looks) recent(window time.Duration, now time.Time) [][]float64 {
	if now.Sub(l.learnt) > 2*window {
		return nil
	}
	return l.costs
}

// wholeWindow says whether every node has told about a whole window.
func (l *looks) wholeWindow(window time.Duration) bool {
	return l.report.Summary.Seconds >= wholePart*window.Seconds()
}

// tooFewTokens is what the load is found to be when there is too little of it.
func (l *looks) tooFewTokens(window time.Duration) bool {
	return l.wholeWindow(window) && l.fewTokens(window)
}

// fewTokens says whether the nodes have too few rows in a whole window to tell loads from
// chance: a part of it, which is added up after a change of traffic, has fewer.
func (l *looks) fewTokens(window time.Duration) bool {
	return l.perNode(load.RowsWithin(l.report.Nodes, window)) < minRowsPerNode
}

// short are the nodes that have told about too little of a window.
func (l *looks) short(window time.Duration) (names []string) {
	for _, n := range l.report.Nodes {
		if tellsLittle(n, window) {
			names = append(names, n.Name)
		}
	}
	return names
}

// follow notes whether nodes that tell too little get on: what one that has just started
// tells grows by an interval from look to look.
func (l *looks) follow(window, interval time.Duration) {
	stands, told := false, map[string]float64{}
	for _, n := range l.report.Nodes {
		before, known := l.told[n.Name]
		stands = stands || known && tellsLittle(n, window) && n.Seconds < before+interval.Seconds()/2
		told[n.Name] = n.Seconds
	}
	l.told = told
	if !stands {
		l.shortLooks = 0
		return
	}
	l.shortLooks++
}

func tellsLittle(n *load.Node, window time.Duration) bool {
	return n.Seconds < wholePart*window.Seconds()
}

// gainByChance is what moves have to gain at least to be more than chance.
func (l *looks) gainByChance() float64 {
	layers := 1
	if l.report != nil {
		layers = max(layers, len(l.report.Summary.Balancedness))
	}
	return chance / math.Sqrt(max(l.rowsPerNode(), 1)*float64(layers))
}

// rowsPerNode is the mean node's rows in the layer with the fewest, of what was added up.
func (l *looks) rowsPerNode() float64 { return l.perNode(l.rows) }

func (l *looks) perNode(rows [][]float64) float64 {
	if l.report == nil || len(l.report.Nodes) == 0 || len(rows) == 0 {
		return 0
	}
	least := math.Inf(1)
	for _, layer := range rows {
		least = min(least, load.Total(layer)/float64(len(l.report.Nodes)))
	}
	return least
}

// withFew counts every expert as if it had a few more, so that one without any is
// not taken to weigh nothing.
func withFew(counts [][]float64) [][]float64 {
	out := make([][]float64, len(counts))
	for l, layer := range counts {
		few := max(1, load.Total(layer)/float64(len(layer))/16)
		out[l] = make([]float64, len(layer))
		for e, n := range layer {
			out[l][e] = n + few
		}
	}
	return out
}

// complete says whether every node of the placement has told its load.
func complete(r *load.Report, p *placement.Placement) bool {
	for i := range p.Nodes {
		if !slices.ContainsFunc(r.Nodes, func(n *load.Node) bool { return n.Name == p.Nodes[i].Name }) {
			return false
		}
	}
	return true
}

// silent names the nodes that did not tell their load at the last look, and why.
func (l *looks) silent() string {
	var list []string
	for i, f := range l.report.Failed {
		if i == 3 {
			list = append(list, fmt.Sprintf("and %d more", len(l.report.Failed)-i))
			break
		}
		list = append(list, f.Node+": "+f.Error)
	}
	if len(list) == 0 {
		return "they cannot be reached"
	}
	return strings.Join(list, "; ")
}
