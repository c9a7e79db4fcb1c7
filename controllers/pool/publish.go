package pool

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// copyAhead writes the status's copy of a new document before the record. The copy is
// then never older than what a pod has seen, so a record that was deleted or damaged can
// be restored at any time, and no revision is used twice. The write is refused if this
// round has read an outdated pool, and with it, perhaps, an older copy.
func (r *Reconciler) copyAhead(ctx context.Context, v *view) error {
	if v.decision.Doc == nil || v.decision.Doc == v.record.doc {
		return nil
	}
	next := v.pool.DeepCopy()
	next.Status.Placement, next.Status.Rebalancing = toStatus(v.decision.Doc), v.kept.moved // what is spent is noted with what it is spent on
	if err := r.Client.Status().Patch(ctx, next, client.MergeFromWithOptions(v.pool, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("copy placement revision %d to the status: %w", v.decision.Doc.Revision, err)
	}
	next.Spec = v.pool.Spec // this round's
	v.pool = next
	return nil
}

// publish writes the decided document; nothing if it is there already.
func (r *Reconciler) publish(ctx context.Context, a *apply.Applier, v *view) error {
	doc := v.decision.Doc
	if doc == nil {
		return nil
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	desired := corev1ac.ConfigMap(v.record.live.Name, v.record.live.Namespace).
		WithLabels(podspec.Labels(v.pool.Name, podspec.ExpertNode)).
		WithOwnerReferences(a.OwnerReference(poolKind)).
		WithData(map[string]string{podspec.PlacementKey: string(raw)})
	if v.kept.moved != nil {
		desired.WithAnnotations(map[string]string{movedAnnotation: formatMoved(v.kept.moved)})
	}
	if v.record.live.UID != "" {
		// Refused if somebody else published since this round read the record.
		desired.WithResourceVersion(v.record.live.ResourceVersion)
	}
	wrote, err := a.ApplyTo(ctx, &v.record.live, desired)
	if apierrors.IsConflict(err) {
		return fmt.Errorf("the placement changed while it was decided: %w", err)
	}
	if wrote && err == nil && (v.record.doc == nil || doc.Revision > v.record.doc.Revision) {
		r.announce(ctx, v, doc)
	}
	return err
}

// announce tells people about a step of the placement.
func (r *Reconciler) announce(ctx context.Context, v *view, doc *placement.Document) {
	log := logf.FromContext(ctx)
	if doc.Target == nil {
		log.Info("placement in force", "revision", doc.Revision, "epoch", doc.Serving.Epoch)
		r.Events.Eventf(v.pool, nil, corev1.EventTypeNormal, "PlacementInForce", "Place",
			"placement %d is in force on %d expert nodes", doc.Serving.Epoch, len(doc.Serving.Nodes))
		return
	}
	moves := len(placement.Diff(doc.Serving, doc.Target, 0))
	log.Info("new placement", "revision", doc.Revision, "epoch", doc.Target.Epoch, "nodes", len(doc.Target.Nodes), "loads", moves)
	r.Events.Eventf(v.pool, nil, corev1.EventTypeNormal, "PlacementChanged", "Place",
		"placement %d: %d expert nodes load %d experts%s", doc.Target.Epoch, len(doc.Target.Nodes), moves, v.purpose())
}

// push hands the document to the pods that have an older one, once they know their model
// and can tell whether it fits. They also read the mounted file, a minute later; this is what makes it quick.
func (r *Reconciler) push(ctx context.Context, v *view) {
	doc := v.decision.Doc
	if doc == nil {
		return
	}
	var behind []fleet.Pod
	for _, p := range v.pods.reachable() {
		if a := v.pods.report(p.Name); a != nil && a.Model != nil && a.Revision < doc.Revision {
			behind = append(behind, p)
		}
	}
	if len(behind) == 0 {
		return
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return // publish has marshalled it before
	}
	failed := fleet.ApplyAll(ctx, r.Fleet, behind, raw)
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		logf.FromContext(ctx).Info("a pod did not take the placement", "pod", name, "revision", doc.Revision, "error", failed[name].Error())
	}
}
