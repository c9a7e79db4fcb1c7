package pool

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
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
)

// look asks the expert nodes for their load, a few times in each window. The report is of
// the nodes of the placement; what other pods have computed, on their way in or out, counts
// for what experts cost.
func (r *Reconciler) look(ctx context.Context, v *view) {
	m := v.memory
	if !v.wanted.measures() || v.record.doc == nil || v.now.Sub(m.looked) < v.wanted.lookInterval() {
		return
	}
	v.looked, m.looked = true, v.now
	pods := reachable(v.pods.experts)
	all := fleet.LoadAll(ctx, r.Fleet, pods, v.wanted.window())
	m.report = all.Of(func(node string) bool { return current(v.record.doc).Node(node) != nil })
	m.work = load.Fit(all.Nodes)
	v.hold(m.report.Nodes)
	if v.complete(m.report) {
		m.missed = 0
	} else {
		m.missed++
	}
	if r.addUp(ctx, v, pods, all) {
		v.learn()
	}
	if m.learnt.Equal(v.now) || m.missed == 0 && v.tooFewTokens() {
		m.judged = v.now
	}
}

// expectJudgement begins to wait for the load to be judged: where there is something to
// judge for the first time, or under another placement than before.
func (v *view) expectJudgement() {
	m, p := v.memory, current(v.record.doc)
	if p == nil || !v.wanted.measures() {
		m.judges = 0
	} else if p.Epoch != m.judges {
		m.judges, m.judged = p.Epoch, v.now
	}
}

// hold notes when the memory of a node last grew. Each is compared with its own last
// answer: a node that could not be reached for a while has not loaded anything.
func (v *view) hold(nodes []*load.Node) {
	m := v.memory
	if m.held == nil {
		m.held = map[string]int64{}
	}
	for _, n := range nodes {
		if held, known := m.held[n.Name]; known && n.HeldBytes > held {
			m.grew = v.now
		}
		m.held[n.Name] = n.HeldBytes
	}
}

// known says whether the figures of the last look are of now: an operator that may not
// look, or finds nobody, knows nothing after two intervals.
func (v *view) known() bool {
	m := v.memory
	return v.wanted.measures() && m.report != nil && m.missed == 0 && v.now.Sub(m.looked) <= 2*v.wanted.lookInterval()
}

// addUp sums the window, or the part of it after the last change of traffic. It returns
// false while the traffic is changing.
func (r *Reconciler) addUp(ctx context.Context, v *view, pods []fleet.Pod, report *load.Report) bool {
	m, part := v.memory, v.wanted.window()
	looks := load.LooksPerWindow
	if newest := fleet.LoadAll(ctx, r.Fleet, pods, v.wanted.lookInterval()); v.complete(newest) {
		looks = m.kind.Look(load.RowsWithin(newest.Nodes, v.wanted.lookInterval()))
	} else {
		m.kind.Forget()
	}
	if looks > 0 && looks < load.LooksPerWindow {
		part = v.wanted.lookInterval() * time.Duration(looks)
		report = fleet.LoadAll(ctx, r.Fleet, pods, part)
	}
	m.rows, m.activations = load.RowsWithin(report.Nodes, part), load.ActivationsWithin(report.Nodes, part)
	return looks > 0 && v.complete(report)
}

// complete says whether every node that serves experts has answered.
func (v *view) complete(r *load.Report) bool {
	p := current(v.record.doc)
	for i := range p.Nodes {
		if !slices.ContainsFunc(r.Nodes, func(n *load.Node) bool { return n.Name == p.Nodes[i].Name }) {
			return false
		}
	}
	return true
}

// learn keeps what experts cost by a look for the planner, [layer][expert], if every
// node has told a whole window and there are enough rows in what was added up:
// tokens, reads of weights, or both, as the nodes' times tell.
func (v *view) learn() {
	m := v.memory
	if m.missed > 0 || !v.wholeWindow() || v.rowsPerNode() < minRowsPerNode {
		return
	}
	m.loads, m.learnt = m.work.Costs(withFew(m.rows), withFew(m.activations)), v.now
}

// wholeWindow says whether every node has told about a whole window.
func (v *view) wholeWindow() bool {
	return v.memory.report.Summary.Seconds >= wholePart*v.wanted.window().Seconds()
}

// tooFewTokens is what the load is found to be when there is too little of it.
func (v *view) tooFewTokens() bool { return v.wholeWindow() && v.fewTokens() }

// fewTokens says whether the nodes have too few rows in a whole window to tell loads from chance:
// a part of it, which is added up after a change of traffic, has fewer.
func (v *view) fewTokens() bool {
	return v.perNode(load.RowsWithin(v.memory.report.Nodes, v.wanted.window())) < minRowsPerNode
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

// loads are what was learnt last, if that is not long ago: also for a plan that
// has to do without the node that is silent now.
func (v *view) loads() [][]float64 {
	if v.now.Sub(v.memory.learnt) > 2*v.wanted.window() {
		return nil
	}
	return v.memory.loads
}

// rowsPerNode is the mean node's rows in the layer with the fewest, of what was added up.
func (v *view) rowsPerNode() float64 { return v.perNode(v.memory.rows) }

func (v *view) perNode(rows [][]float64) float64 {
	r := v.memory.report
	if r == nil || len(r.Nodes) == 0 || len(rows) == 0 {
		return 0
	}
	least := math.Inf(1)
	for _, layer := range rows {
		least = min(least, load.Total(layer)/float64(len(r.Nodes)))
	}
	return least
}

// faults names the nodes that did not tell their load, and why.
func faults(r *load.Report) string {
	var list []string
	for i, f := range r.Failed {
		if i == 3 {
			list = append(list, fmt.Sprintf("and %d more", len(r.Failed)-i))
			break
		}
		list = append(list, f.Node+": "+f.Error)
	}
	return strings.Join(list, "; ")
}
