package pool

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	servingac "github.com/olmoe-serving/olmoe-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// scale lets the autoscaler decide, right after each look at the load, or in any round if
// the number is outside of its range, and makes its answer the pool's number of nodes.
// What it must remember is in the status
// before the number changes, so that an operator that dies in between cannot turn
// the pool twice.
func (r *Reconciler) scale(ctx context.Context, v *view) error {
	if !v.wanted.scales() {
		v.kept.scaling, v.memory.scale = lastStep(v.kept.scaling), autoscale.Memory{}
		return nil
	}
	in := v.autoscaleInput()
	if !v.looked && !in.Outside() {
		return nil
	}
	d := autoscale.Decide(in)
	v.memory.scale = d.Memory
	v.kept.scaling = v.scalingStatus(d)
	if d.Nodes == v.wanted.nodes() {
		return nil
	}
	if err := r.writeScaling(ctx, v); err != nil {
		return err
	}
	// Refused if the pool has changed since: the number may be the user's now (invariant 5).
	number := r.applier(v.pool, apply.NodesManager)
	_, err := number.ApplyTo(ctx, v.pool, servingac.ExpertPool(v.pool.Name, v.pool.Namespace).
		WithResourceVersion(v.pool.ResourceVersion).
		WithSpec(servingac.ExpertPoolSpec().WithReplicas(int32(d.Nodes)))) //nolint:gosec // at most 256
	if err != nil {
		return fmt.Errorf("scale to %d expert nodes: %w", d.Nodes, err)
	}
	r.Events.Eventf(v.pool, nil, corev1.EventTypeNormal, "Scaled", "Scale", "from %d to %d expert nodes: %s", v.wanted.nodes(), d.Nodes, d.Message)
	return nil
}

// writeScaling writes the part of the status that the number of nodes depends on.
func (r *Reconciler) writeScaling(ctx context.Context, v *view) error {
	next := v.pool.DeepCopy()
	next.Status.Scaling = v.kept.scaling
	if err := r.Client.Status().Patch(ctx, next, client.MergeFromWithOptions(v.pool, client.MergeFromWithOptimisticLock{})); err != nil {
		return err
	}
	v.pool.Status.Scaling = v.kept.scaling
	v.pool.ResourceVersion = next.ResourceVersion
	return nil
}

func (v *view) autoscaleInput() autoscale.Input {
	s := v.wanted.spec.Scaling
	return autoscale.Input{
		Settings: autoscale.Settings{
			Min: int(s.Min), Max: int(s.Max), TargetUtilisation: int(s.TargetUtilizationPercent),
			TargetQueue: time.Duration(s.TargetQueueMilliseconds) * time.Millisecond,
		},
		Now: v.now, Wanted: v.wanted.nodes(), MinNodes: v.minNodes(), Changing: v.changing(), SameNodes: v.sameNodes(), MissingFrom: v.missingFrom(),
		CanRebalance: v.wanted.balances() && v.budget().perMinute() > 0, Nodes: v.signals(), Pool: v.planned(), Memory: v.scaleMemory(),
		Plan: rollout.Forecast(v.limits(), int(autoscale.RebalanceWindow/time.Minute)),
	}
}

// changing says whether the pool is not yet as wanted.
func (v *view) changing() bool {
	return v.record.doc == nil || v.record.doc.Target != nil || v.decision.Doc != v.record.doc || v.decision.Waiting != "" || v.missing() != ""
}

// sameNodes says whether the wanted nodes are there, and in every placement that is in
// force or on its way.
func (v *view) sameNodes() bool {
	for _, doc := range []*placement.Document{v.record.doc, v.decision.Doc} {
		if doc == nil || slices.ContainsFunc(doc.Placements(), func(p *placement.Placement) bool { return len(p.Nodes) != v.wanted.nodes() }) {
			return false
		}
	}
	return v.missing() == ""
}

// missingFrom is the lowest ordinal of the wanted nodes that are not ready; 0 if the pool
// is unsettled for another reason as well.
func (v *view) missingFrom() int {
	absent := v.absent()
	if v.record.doc == nil || v.record.doc.Target != nil || v.decision.Doc != v.record.doc || !v.set.followed() || len(absent) == 0 {
		return 0
	}
	return rollout.Ordinal(absent[0].Name)
}

// minNodes is the fewest nodes with room for every expert and its replicas, as far as the
// model is known.
func (v *view) minNodes() int {
	replicas := v.wanted.copies()
	if s := v.wanted.slots(); s > 0 {
		return max(replicas, (v.modelExperts()*replicas+s-1)/s)
	}
	return replicas
}

// modelExperts is how many experts a layer has; before the first placement, what any pod
// says, as the rollout goes by routers, too. 0: nobody knows.
func (v *view) modelExperts() (n int) {
	if p := current(v.record.doc); p != nil {
		return p.Experts
	}
	for _, a := range v.pods.answers {
		if a.Report != nil && a.Report.Model != nil {
			n = max(n, a.Report.Model.Experts)
		}
	}
	return n
}

// makesRoom says whether all that keeps the placement from being made are nodes that the
// autoscaler adds.
func (v *view) makesRoom() bool {
	p := v.decision.Problem
	return p != nil && p.Reason == rollout.NotEnoughSlots && v.wanted.scales() &&
		v.kept.scaling != nil && v.kept.scaling.Reason == autoscale.ReasonBelowMinimum
}

// signals are what the nodes said of themselves at the last look.
func (v *view) signals() []autoscale.Node {
	var out []autoscale.Node
	if v.memory.looks.report == nil {
		return out
	}
	for _, n := range v.memory.looks.report.Nodes {
		pod := v.pods.expert(n.Name)
		out = append(out, autoscale.Node{
			Name: n.Name, Ordinal: rollout.Ordinal(n.Name), Ready: pod != nil && diagnose.Ready(pod),
			Utilisation: n.Utilisation(), Queue: n.MeanQueue(), Covered: time.Duration(n.Seconds * float64(time.Second)),
			Age: v.now.Sub(v.memory.looks.last),
		})
	}
	return out
}

// planned is what a plan for the pool is made from.
func (v *view) planned() placement.Request {
	p := current(v.record.doc)
	if p == nil {
		return placement.Request{}
	}
	return placement.Request{
		Layers: p.Layers, Experts: p.Experts, Nodes: v.wanted.members(v.wanted.nodes()), Replicas: v.wanted.copies(),
		SlotsPerNode: v.wanted.slots(), Domains: v.pods.machines(), Current: p, Loads: v.memory.looks.work.Costs(v.memory.looks.rows, v.memory.looks.activations),
	}
}

// scaleMemory is the autoscaler's memory: what the status keeps, and what only
// this process knows. An operator that has just started may find figures of before a
// step that it knows nothing of.
func (v *view) scaleMemory() autoscale.Memory {
	m := v.memory.scale
	if m == (autoscale.Memory{}) && v.record.doc != nil { // else it is new
		m = m.Lost(v.lastChange())
	}
	s := v.kept.scaling
	if s == nil || s.Time == nil {
		return m
	}
	m.Changed, m.Direction = s.Time.Time, 1
	if s.To < s.From {
		m.Direction = -1
	}
	if s.ReversalTime != nil {
		m.Reversed = s.ReversalTime.Time
	}
	return m
}

// lastChange is when the pool was last on its way to what is wanted, by its status.
func (v *view) lastChange() time.Time {
	c := conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionReady)
	if c.Status != metav1.ConditionTrue || c.LastTransitionTime.After(v.now) {
		return v.now
	}
	return c.LastTransitionTime.Time
}

// scalingStatus tells the last change, and why the number is as it is. A message
// changes with what it is about only, so that figures that come and go write nothing.
func (v *view) scalingStatus(d autoscale.Decision) *v1alpha1.ScalingStatus {
	next := &v1alpha1.ScalingStatus{}
	if s := v.kept.scaling; s != nil {
		next = s.DeepCopy()
	}
	if d.Reason != next.Reason || d.About != v.memory.about {
		next.Reason, next.Message = d.Reason, d.Message
	}
	v.memory.about = d.About
	if wanted := v.wanted.nodes(); d.Nodes != wanted {
		now := metav1.NewTime(v.now)
		next.Time, next.From, next.To, next.Message = &now, int32(wanted), int32(d.Nodes), d.Message //nolint:gosec // at most 256
		if !d.Memory.Reversed.IsZero() {
			at := metav1.NewTime(d.Memory.Reversed)
			next.ReversalTime = &at
		}
	}
	return next
}

// lastStep is what stays of the status without spec.scaling: the last change, on which
// the next change of direction depends if the user scales again; nil if there was none.
func lastStep(s *v1alpha1.ScalingStatus) *v1alpha1.ScalingStatus {
	if s == nil || s.Time == nil {
		return nil
	}
	return &v1alpha1.ScalingStatus{Time: s.Time, From: s.From, To: s.To, ReversalTime: s.ReversalTime}
}
