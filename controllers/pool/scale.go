package pool

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	servingac "github.com/olmoe-serving/olmoe-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// scale lets the autoscaler decide, right after each look at the load, or in any round if
// the number is outside of its range, and makes its answer the pool's number of nodes.
// What it must remember is in the status before the number changes, so that an operator
// that dies in between cannot turn the pool twice.
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
	v.kept.scaling = v.kept.step(d, v.wanted.nodes(), d.About == v.memory.about, v.now)
	v.memory.about = d.About
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

// autoscaleInput is all that the autoscaler decides by.
func (v *view) autoscaleInput() autoscale.Input {
	s, p := v.wanted.spec.Scaling, v.progress()
	return autoscale.Input{
		Settings: autoscale.Settings{
			Min: int(s.Min), Max: int(s.Max), TargetUtilization: int(s.TargetUtilizationPercent),
			TargetQueue: time.Duration(s.TargetQueueMilliseconds) * time.Millisecond,
		},
		Now: v.now, Wanted: p.nodes, MinNodes: v.wanted.minNodes(modelExperts(v.record.doc, v.pods)),
		Changing: p.changing(), SameNodes: p.sameNodes(), MissingFrom: p.missingFrom(),
		CanRebalance: v.wanted.balances() && v.budget().perMinute() > 0, Nodes: v.memory.looks.signals(v.pods, v.now), Pool: v.planned(), Memory: v.scaleMemory(),
		Plan: rollout.Forecast(v.limits(), int(autoscale.RebalanceWindow/time.Minute)),
	}
}

// planned is what a plan for the pool is made from.
func (v *view) planned() planner.Request {
	p := current(v.record.doc)
	if p == nil {
		return planner.Request{}
	}
	return planner.Request{
		Layers: p.Layers, Experts: p.Experts, Nodes: v.wanted.members(v.wanted.nodes()), Replicas: v.wanted.copies(),
		SlotsPerNode: v.wanted.slots(), Domains: v.pods.machines(), Current: p, Loads: v.memory.looks.work.Costs(v.memory.looks.rows, v.memory.looks.activations),
	}
}

// scaleMemory is the autoscaler's memory: what only this process knows, and what the
// status keeps. An operator that has just started may find figures of before a step that
// it knows nothing of.
func (v *view) scaleMemory() autoscale.Memory {
	m := v.memory.scale
	if m == (autoscale.Memory{}) && v.record.doc != nil { // else it is new
		m = m.AfterRestart(lastChange(v.pool.Status.Conditions, v.now))
	}
	return v.kept.recall(m)
}

// lastChange is when the pool was last on its way to what is wanted, by its conditions.
func lastChange(said []metav1.Condition, now time.Time) time.Time {
	c := conditions.Of(said, v1alpha1.ConditionReady)
	if c.Status != metav1.ConditionTrue || c.LastTransitionTime.After(now) {
		return now
	}
	return c.LastTransitionTime.Time
}
