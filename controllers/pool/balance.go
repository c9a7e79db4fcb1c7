package pool

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
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
	// wholeWindow is the part of a window that every node must have told: a node that
	// has just started knows little of its experts.
	wholeWindow = 0.9
	// chance: a gain counts from so many standard deviations of a node's share.
	chance = 3
)

// look asks the expert nodes for their load, a few times in each window.
func (r *Reconciler) look(ctx context.Context, v *view) {
	m := v.memory
	if !v.measures() || v.doc == nil || v.now.Sub(m.looked) < v.lookInterval() {
		return
	}
	pods := reachable(v.experts)
	if len(pods) == 0 {
		return
	}
	v.looked, m.looked = true, v.now
	m.report = fleet.LoadAll(ctx, r.Fleet, pods, v.window())
	m.work = load.Fit(m.report.Nodes)
	if v.complete(m.report) {
		m.missed = 0
	} else {
		m.missed++
	}
	if r.addUp(ctx, v, pods) {
		v.learn()
	}
}

// addUp adds up the window, or what came of it since the traffic has changed. False:
// it is changing.
func (r *Reconciler) addUp(ctx context.Context, v *view, pods []fleet.Pod) bool {
	m, report, part := v.memory, v.memory.report, v.window()
	looks := load.LooksPerWindow
	if newest := fleet.LoadAll(ctx, r.Fleet, pods, v.lookInterval()); v.complete(newest) {
		looks = m.kind.Look(load.RowsWithin(newest.Nodes, v.lookInterval()))
	} else {
		m.kind.Forget()
	}
	if looks > 0 && looks < load.LooksPerWindow {
		part = v.lookInterval() * time.Duration(looks)
		report = fleet.LoadAll(ctx, r.Fleet, pods, part)
	}
	m.rows, m.activations = load.RowsWithin(report.Nodes, part), load.ActivationsWithin(report.Nodes, part)
	return looks > 0 && v.complete(report)
}

// measures says whether anybody wants to know the load.
func (v *view) measures() bool {
	return v.pool.Spec.Experts.Rebalancing.Mode != v1alpha1.RebalanceOff || v.pool.Spec.Scaling != nil
}

// window in which load is measured.
func (v *view) window() time.Duration {
	if s := v.pool.Spec.Experts.Rebalancing.WindowSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return load.DefaultWindow
}

// lookInterval is the time between two looks.
func (v *view) lookInterval() time.Duration { return v.window() / load.LooksPerWindow }

// complete says whether every node that serves experts has answered.
func (v *view) complete(r *load.Report) bool {
	p := current(v.doc)
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
	if m.missed > 0 || m.report.Summary.Seconds < wholeWindow*v.window().Seconds() || v.rowsPerNode() < minRowsPerNode {
		return
	}
	m.loads, m.learnt = m.work.Costs(withFew(m.rows), withFew(m.activations)), v.now
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
	if v.now.Sub(v.memory.learnt) > 2*v.window() {
		return nil
	}
	return v.memory.loads
}

// rowsPerNode is the mean node's rows in the layer with the fewest.
func (v *view) rowsPerNode() float64 {
	r := v.memory.report
	if r == nil || len(r.Nodes) == 0 || len(v.memory.rows) == 0 {
		return 0
	}
	least := math.Inf(1)
	for _, layer := range v.memory.rows {
		least = min(least, load.Total(layer)/float64(len(r.Nodes)))
	}
	return least
}

// mayRebalance are the limits of moves for this round; nil if it is not the time:
// only right after a look that told something, and one change at a time.
func (v *view) mayRebalance() *rollout.Rebalance {
	mode := v.pool.Spec.Experts.Rebalancing.Mode
	if !v.looked || !v.memory.learnt.Equal(v.now) || mode == v1alpha1.RebalanceOff || v.doc.Target != nil {
		return nil
	}
	gain := 0.05
	if p := v.pool.Spec.Experts.Rebalancing.MinGainPercent; p != nil {
		gain = float64(*p) / 100
	}
	gain = max(gain, chance/math.Sqrt(max(v.rowsPerNode(), 1)*float64(len(v.memory.report.Summary.Balancedness))))
	return &rollout.Rebalance{Moves: v.budget(), MinGain: gain}
}

// budgetPeriod is a minute, and the second by which the time that is kept may be
// too early.
const budgetPeriod = time.Minute + time.Second

// budget is how many experts may be loaded now because of their load: up to a
// minute's worth at once, and then nothing for a minute, so that no minute, from
// whichever moment it is counted, sees more (invariant 8).
func (v *view) budget() int {
	size := v.expertBytes()
	if size == 0 || v.moved != nil && v.now.Before(v.moved.Time.Add(budgetPeriod)) {
		return 0
	}
	return int(v.bytesPerMinute() / size)
}

// canRebalance says whether experts may ever move because of their load.
func (v *view) canRebalance() bool {
	size := v.expertBytes()
	return v.pool.Spec.Experts.Rebalancing.Mode != v1alpha1.RebalanceOff && size > 0 && size <= v.bytesPerMinute()
}

func (v *view) expertBytes() int64 {
	if m := v.modelInfo(); m != nil {
		return m.ExpertBytes
	}
	return 0
}

func (v *view) bytesPerMinute() int64 {
	if q := v.pool.Spec.Experts.Rebalancing.MaxBytesPerMinute; q != nil {
		return q.Value()
	}
	return 4 << 30 // the API's default, for objects made before the field was there
}

// noteMoves remembers what this round's decision makes nodes load out of the budget.
func (v *view) noteMoves() {
	if v.decision.Doc == v.doc {
		return
	}
	var moves int
	switch d := &v.decision; {
	case d.Apart != nil:
		moves = d.Apart.Moves
	case d.Balance != nil:
		moves = d.Balance.Moves
	default:
		return
	}
	v.moved = &v1alpha1.RebalancingStatus{
		Time: metav1.NewTime(v.now.Truncate(time.Second)), Experts: int32(moves), Bytes: int64(moves) * v.expertBytes(), //nolint:gosec // at most layers x experts x nodes
	}
}

// purpose of a placement that is made because of machines, lost nodes or load; empty for others.
func (v *view) purpose() string {
	if a := v.decision.Apart; a != nil {
		return fmt.Sprintf(", so that %d of the %d experts whose copies share a machine no longer do", a.Before-a.After, a.Before)
	}
	if lost := v.givenUp(); len(lost) > 0 {
		return fmt.Sprintf(", since %s did not answer for too long", strings.Join(lost, ", "))
	}
	if v.decision.Balance == nil {
		return ""
	}
	return fmt.Sprintf(", to even out work that is %.0f %% reading weights", 100*v.memory.work.Reading(v.memory.report.Nodes))
}

// movedAnnotation of the record says when experts last moved because of their
// load and how many bytes that was, written together with the placement that
// moves them: an operator that dies in between cannot spend the budget twice.
const movedAnnotation = "serving.olmoe.dev/rebalanced"

func formatMoved(m *v1alpha1.RebalancingStatus) string {
	return fmt.Sprintf("%s %d %d", m.Time.UTC().Format(time.RFC3339), m.Experts, m.Bytes)
}

// parseMoved reads the annotation; nil if there is none.
func parseMoved(text string) *v1alpha1.RebalancingStatus {
	var m v1alpha1.RebalancingStatus
	var at string
	if n, err := fmt.Sscan(text, &at, &m.Experts, &m.Bytes); n != 3 || err != nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return nil
	}
	m.Time = metav1.NewTime(t)
	return &m
}

// later is the newer of two notes; nil if there is none.
func later(a, b *v1alpha1.RebalancingStatus) *v1alpha1.RebalancingStatus {
	if a == nil || b != nil && b.Time.After(a.Time.Time) {
		return b
	}
	return a
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
