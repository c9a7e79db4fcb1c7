package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// ledger is what the checks remember.
type ledger struct {
	documents map[int64]string               // published, by revision
	epochs    map[int64]string               // placements, by epoch
	decided   map[int64]time.Time            // when a revision was first written anywhere, by the operator's clock
	specs     map[int64]*v1alpha1.ExpertPool // the pool that it knew then
	topEpoch  int64
	topDoc    int64
	spent     []spending
	steps     []scaling
	whole     map[*router]map[int64]bool // epochs of which every owner was there while it used them
	served    map[*router]bool           // routers that had an owner of every expert
	newest    *placement.Document
	newestRaw string
	newestDoc *placement.Document        // that was ever published
	inForce   map[int64]bool             // placements, by epoch, that were ever served
	decidedIn map[int64]int              // the round in which a revision was decided
	uses      map[*router]map[int64]*use // by epoch
}

type spending struct {
	at    time.Time
	bytes int64
}

type scaling struct {
	at       time.Time
	by       int
	reversal bool
}

func newLedger() ledger {
	return ledger{documents: map[int64]string{}, epochs: map[int64]string{}, decided: map[int64]time.Time{}, specs: map[int64]*v1alpha1.ExpertPool{}, whole: map[*router]map[int64]bool{}, served: map[*router]bool{},
		newestDoc: &placement.Document{}, inForce: map[int64]bool{}, decidedIn: map[int64]int{}, uses: map[*router]map[int64]*use{}}
}

// record is the published document; nil while it is missing or damaged.
func (w *world) record() *placement.Document {
	m, _ := w.api.get("ConfigMap", podspec.PlacementName(poolName)).(*corev1.ConfigMap)
	if m == nil {
		return nil
	}
	if raw := m.Data[podspec.PlacementKey]; raw != w.newestRaw {
		var d placement.Document
		w.newestRaw, w.newest = raw, nil
		if json.Unmarshal([]byte(raw), &d) == nil && d.Validate() == nil && d.Revision > 0 {
			w.newest = &d
		}
	}
	return w.newest
}

// takeApply is the API server's side of an apply of the operator's: it looks at
// what is asked for, then does it.
func (w *world) takeApply(want map[string]any, manager string, shown *v1alpha1.ExpertPool) error {
	defer func(now *v1alpha1.ExpertPool) { w.shown = now }(w.shown)
	w.shown = shown // what the operator knew when it decided

	kind := want["kind"].(string)
	switch kind {
	case "ExpertPool":
		return w.takeNumber(want, manager)
	case "ConfigMap":
		if err := w.api.apply(want, manager); err != nil {
			return err
		}
		w.checkDocument()
		return nil
	}
	return w.api.apply(want, manager)
}

// urgent is a hint that may differ: the status's copy does not hold it.
const urgent = `,"urgent":true`

// checkDocument checks what the operator has just published (invariants 1 and 3:
// one number, one placement).
func (w *world) checkDocument() {
	raw := live[*corev1.ConfigMap](w.api, podspec.PlacementName(poolName)).Data[podspec.PlacementKey]
	var d placement.Document
	if err := json.Unmarshal([]byte(raw), &d); err != nil {
		w.violate("3", "a document that cannot be read was published: %v", err)
	}
	if err := d.Validate(); err != nil {
		w.violate("2", "a document that is not whole was published: %v", err)
	}
	w.note("published %s", shape(&d))
	raw = strings.Replace(raw, urgent, "", 1)
	if was, ok := w.documents[d.Revision]; ok {
		if was != raw {
			w.violate("3", "revision %d was published twice, first as\n%s\nthen as\n%s", d.Revision, was, raw)
		}
		return
	}
	if d.Revision <= w.topDoc && !w.lateNow { // pods ignore an old one, and the status's copy replaces it
		w.violate("3", "revision %d was published after %d", d.Revision, w.topDoc)
	}
	w.documents[d.Revision] = raw
	if d.Revision > w.topDoc {
		w.topDoc, w.newestDoc = d.Revision, &d
	}
	if d.Serving != nil {
		w.inForce[d.Serving.Epoch] = true
	}
	w.stats.documents++
	for _, p := range []*placement.Placement{d.Serving, d.Target} {
		if p != nil {
			w.checkEpoch(p)
		}
	}
	if d.Serving != nil && d.Target != nil {
		w.checkBudget(&d)
	}
	w.checkUrgency(&d)
}

func (w *world) checkEpoch(p *placement.Placement) {
	raw := mustJSON(p)
	was, ok := w.epochs[p.Epoch]
	switch {
	case ok && was != raw:
		w.violate("3", "epoch %d is two placements, first\n%s\nthen\n%s", p.Epoch, was, raw)
	case !ok && p.Epoch <= w.topEpoch && !w.lateNow:
		w.violate("3", "epoch %d was published after %d", p.Epoch, w.topEpoch)
	}
	w.epochs[p.Epoch], w.topEpoch = raw, max(w.topEpoch, p.Epoch)
}

// checkBudget: a target that moves experts between nodes of a placement that is as
// the spec wants it is the balancer's, and costs of the budget (invariant 8).
func (w *world) checkBudget(d *placement.Document) {
	now := w.decide(d.Revision, w.operatorTime())
	defer func(now *v1alpha1.ExpertPool) { w.shown = now }(w.shown)
	w.shown = w.specs[d.Revision] // another operator may publish it under a newer spec
	if !w.asWanted(d.Serving) || !slices.EqualFunc(d.Serving.Nodes, d.Target.Nodes, func(a, b placement.Node) bool { return a.Name == b.Name }) {
		return
	}
	w.spent = append(w.spent, spending{now, int64(len(placement.Diff(d.Serving, d.Target, 0))) * expertBytes})
	w.stats.rebalances++
	if w.crowded(d.Target, &w.shown.Spec) < w.crowded(d.Serving, &w.shown.Spec) {
		w.stats.partings++
	}
	var sum int64
	for _, s := range w.spent {
		if now.Sub(s.at) < time.Minute-2*jitter {
			sum += s.bytes
		}
	}
	if limit := w.shown.Spec.Experts.Rebalancing.MaxBytesPerMinute.Value(); sum > limit {
		w.violate("8", "%d experts move by load within a minute, the budget is %d: %v", sum/expertBytes, limit/expertBytes, w.spent)
	}
}

// decide notes when the operator decided on a revision: a budget counts from then,
// also if the API server keeps the record waiting.
func (w *world) decide(revision int64, now time.Time) time.Time {
	if w.decided[revision].IsZero() {
		w.decided[revision] = now
		w.decidedIn[revision] = w.stats.rounds
		w.specs[revision] = w.shown
	}
	return w.decided[revision]
}

// checkReady: a pool that says that it is Ready has a placement in force that is as the
// spec wants it, which the operator saw.
func (w *world) checkReady(o, shown *v1alpha1.ExpertPool) {
	ready := conditions.Of(o.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Status != metav1.ConditionTrue || ready.ObservedGeneration != shown.Generation || w.lateNow {
		return
	}
	defer func(now *v1alpha1.ExpertPool) { w.shown = now }(w.shown)
	w.shown = shown
	if d := w.record(); d != nil && d.Serving != nil && !w.asWanted(d.Serving) {
		w.violate("7", "Ready is True for generation %d with placement %s", shown.Generation, shape(d))
	}
}

// asWanted says whether p is what the spec that the operator saw asks for.
func (w *world) asWanted(p *placement.Placement) bool {
	s := &w.shown.Spec
	if len(p.Nodes) != int(*s.Replicas) {
		return false
	}
	room := experts // a node may hold all, but no more copies are kept than an even spread would have room for
	most := len(p.Nodes) * ((experts*int(*s.Experts.ReplicasPerExpert) + len(p.Nodes) - 1) / len(p.Nodes))
	if n := s.Experts.SlotsPerNode; n != nil {
		room, most = int(*n), len(p.Nodes)*int(*n)
	}
	copies := [layers][experts]int32{}
	held := [layers]int{}
	for i := range p.Nodes {
		for l, list := range p.Nodes[i].Experts {
			if len(list) > room {
				return false
			}
			held[l] += len(list)
			for _, e := range list {
				copies[l][e]++
			}
		}
	}
	for l := range copies {
		if held[l] > most || slices.Min(copies[l][:]) < *s.Experts.ReplicasPerExpert {
			return false
		}
	}
	return true
}

// takeNumber is an apply of the pool: the number of nodes and nothing else, only
// if it is the operator's to choose, and by one (invariants 5 and 8).
func (w *world) takeNumber(want map[string]any, manager string) error {
	was := live[*v1alpha1.ExpertPool](w.api, poolName)
	if err := w.api.apply(want, manager); err != nil {
		return err
	}
	is := live[*v1alpha1.ExpertPool](w.api, poolName)
	from, to := int(*was.Spec.Replicas), int(*is.Spec.Replicas)
	if to < int(*is.Spec.Experts.ReplicasPerExpert) { // the CRD's rule
		w.api.put(was)
		return apierrors.NewInvalid(schema.GroupKind{Kind: "ExpertPool"}, poolName, field.ErrorList{field.Invalid(field.NewPath("spec"), to, "replicas")})
	}
	saw := int(*w.shown.Spec.Replicas)
	w.note("the operator scales from %d (saw %d) to %d", from, saw, to)
	is.Spec.Replicas = was.Spec.Replicas
	switch {
	case manager != apply.NodesManager || !equality.Semantic.DeepEqual(was.Spec, is.Spec):
		w.violate("5", "the operator has written more than the number of nodes")
	case w.shown.Spec.Scaling == nil:
		w.violate("5", "the operator has changed the number of nodes, which is the user's")
	case to-saw > 1 || saw-to > 1, was.Spec.Scaling != nil && (to-from > 1 || from-to > 1):
		w.violate("8", "from %d (the operator saw %d) to %d nodes in one step", from, saw, to)
	}
	if to != from {
		w.stats.scalings++
		w.checkTurns(to-from, saw)
	}
	return nil
}

// checkTurns: at most one reversal in ten minutes, but for steps into the range
// that the user asks for.
func (w *world) checkTurns(by, saw int) {
	s := w.shown.Spec.Scaling
	low := max(int(s.Min), w.roomFor())
	next := scaling{at: w.operatorTime(), by: by}
	if n := len(w.steps); n > 0 && w.steps[n-1].by != by && saw >= low && saw <= max(low, int(s.Max)) {
		next.reversal = true
		w.stats.reversals++
		for _, t := range w.steps {
			if t.reversal && next.at.Sub(t.at) < 10*time.Minute-2*jitter {
				w.violate("8", "the pool turns twice within %s: %v", next.at.Sub(t.at), append(w.steps, next))
			}
		}
	}
	w.steps = append(w.steps, next)
}

// roomFor is the fewest nodes that hold every expert.
func (w *world) roomFor() int {
	s := &w.shown.Spec.Experts
	copies := int(*s.ReplicasPerExpert)
	if s.SlotsPerNode == nil {
		return copies
	}
	n := int(*s.SlotsPerNode)
	return max(copies, (experts*copies+n-1)/n)
}

// answered checks one answer of a call: the node is an owner under the call's
// epoch, and that epoch is one that was published (invariants 1 to 3).
func (w *world) answered(c *call, p *pair) {
	var q placement.Placement
	if raw, ok := w.epochs[c.epoch]; !ok || json.Unmarshal([]byte(raw), &q) != nil {
		w.violate("3", "a call uses epoch %d, which was never published", c.epoch)
	}
	if n := q.Node(p.node); n == nil || !slices.Contains(n.Experts[c.layer], p.expert) {
		w.violate("1", "layer %d, expert %d was computed by %s, no owner under epoch %d", c.layer, p.expert, p.node, c.epoch)
	}
}

// checkRemoval: a pod goes only when no router's placement needs it (invariant 2).
func (w *world) checkRemoval(name string) {
	for _, x := range w.running(true) {
		for _, p := range x.prog.router.placements() {
			if p.Node(name) != nil && (!w.faulty || w.waitedFor(x, p)) {
				w.violate("2", "pod %s is removed while router %s or a call of its uses placement %d, which has it", name, x.name, p.Epoch)
			}
		}
	}
}

// check looks at every router after every step. While pods fail, what they do not fail in must
// hold (keepsParts). Without faults a router that has
// once served always serves, and what it uses keeps every owner from the first
// moment that it had them all (make before break), whatever the operator does or
// if there is none (invariants 2 to 4).
func (w *world) check() {
	for _, x := range w.running(true) {
		r := x.prog.router
		if w.faulty {
			for _, p := range r.placements() {
				w.keepsParts(x, p)
			}
			continue
		}
		if r.current == nil {
			continue
		}
		switch e := w.uncovered(r.current); {
		case e == "":
			w.served[r] = true
		case w.served[r]:
			w.violate("2", "router %s has served and now uses placement %d, of which %s", x.name, r.epoch(), e)
		}
		for _, p := range r.placements() {
			w.keeps(x.name, r, p)
		}
	}
}

// keeps: p, once whole, stays so.
func (w *world) keeps(name string, r *router, p *placement.Placement) {
	missing := w.missingOwner(p)
	if w.whole[r] == nil {
		w.whole[r] = map[int64]bool{}
	}
	if w.whole[r][p.Epoch] && missing != "" {
		w.violate("2", "router %s uses placement %d, of which %s", name, p.Epoch, missing)
	}
	w.whole[r][p.Epoch] = missing == ""
}

// missingOwner says which node of p does not hold its part.
func (w *world) missingOwner(p *placement.Placement) string {
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if x := w.pods[n.Name]; !x.up() || !x.prog.holds(n.Experts) {
			return "node " + n.Name + " has lost its part"
		}
	}
	return ""
}

// uncovered names an expert of p that no node holds for it; empty if there is none.
func (w *world) uncovered(p *placement.Placement) string {
	var held [layers][experts]bool
	for i := range p.Nodes {
		x := w.pods[p.Nodes[i].Name]
		for l, list := range p.Nodes[i].Experts {
			for _, e := range list {
				held[l][e] = held[l][e] || x.up() && x.prog.held[l*experts+e]
			}
		}
	}
	for l := range held {
		if e := slices.Index(held[l][:], false); e >= 0 {
			return fmt.Sprintf("layer %d, expert %d has no owner", l, e)
		}
	}
	return ""
}
