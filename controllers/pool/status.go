package pool

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// writeStatus writes the status if it differs; this controller is its only writer.
func (r *Reconciler) writeStatus(ctx context.Context, v *view, verdict conditions.Verdict) error {
	next := v.pool.DeepCopy()
	v.fill(&next.Status)
	conditions.Set(&next.Status.Conditions, v.pool.Generation, v.now, verdict)
	r.setBalanced(v, &next.Status)
	if equality.Semantic.DeepEqual(v.pool.Status, next.Status) {
		return nil
	}
	patch := client.MergeFrom(v.pool)
	if !equality.Semantic.DeepEqual(v.pool.Status.Placement, next.Status.Placement) {
		// This round may have read an old pool: a difference to it would mix two copies.
		patch = client.MergeFromWithOptions(v.pool, client.MergeFromWithOptimisticLock{})
	}
	if err := r.Client.Status().Patch(ctx, next, patch); err != nil {
		return client.IgnoreNotFound(err)
	}
	conditions.Tell(r.Events, v.pool, v.pool.Status.Conditions, verdict)
	return nil
}

// fill tells all but the conditions.
func (v *view) fill(s *v1alpha1.ExpertPoolStatus) {
	s.ObservedGeneration = v.pool.Generation
	s.Replicas = int32(len(v.pods.experts)) //nolint:gosec // at most 256
	s.ReadyReplicas = int32(v.pods.ready()) //nolint:gosec // at most 256
	s.Selector = labels.SelectorFromSet(podspec.Selector(v.pool.Name, podspec.ExpertNode)).String()
	s.Placement = toStatus(v.decision.Doc)
	if m := v.pods.model(v.decision.Doc); m != nil {
		s.Model = m
	}
	s.Rebalancing, s.Scaling = v.kept.moved, v.kept.scaling
	owned, total := covered(v.decision.Doc, v.pods)
	s.Summary.ExpertNodes = fmt.Sprintf("%d/%d", v.pods.ready(), v.wanted.nodes())
	if total == 0 {
		s.Summary.Experts, s.Summary.Balancedness, s.Balancedness = "", "", nil
		return
	}
	s.Summary.Experts = fmt.Sprintf("%d/%d", owned, total)
	if s.Load == nil {
		tellBalance(s, current(v.decision.Doc).Balancedness(nil)) // counts experts, as long as no load was measured
	}
	v.fillLoad(s)
}

// setBalanced writes the condition and tells of trouble.
func (r *Reconciler) setBalanced(v *view, s *v1alpha1.ExpertPoolStatus) {
	c := v.balanced
	was := conditions.Of(s.Conditions, v1alpha1.ConditionBalanced)
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionBalanced, Status: c.status, Reason: c.reason, Message: c.message,
		ObservedGeneration: v.pool.Generation, LastTransitionTime: metav1.NewTime(v.now),
	})
	if was.Reason != c.reason && slices.Contains(troubled, c.reason) {
		r.Events.Eventf(v.pool, nil, corev1.EventTypeWarning, c.reason, "Rebalance", "%s", c.message)
	}
}
