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

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// published is the newest document: the ConfigMap's, unless it is missing,
// damaged, or changed by somebody (it is then not newer than the status's copy).
func (v *view) published() *placement.Document {
	copied := fromStatus(v.pool.Status.Placement, v.wanted.address)
	var doc placement.Document
	if json.Unmarshal([]byte(v.record.Data[podspec.PlacementKey]), &doc) != nil || doc.Validate() != nil || doc.Revision < 1 {
		return copied
	}
	if copied != nil && doc.Revision <= copied.Revision {
		copied.Urgent = doc.Urgent && doc.Revision == copied.Revision // which the copy does not tell
		return copied
	}
	return &doc
}

// copyAhead writes the status's copy of a new document before the record. The copy is
// then never older than what a pod has seen, so a record that was deleted or damaged can
// be restored at any time, and no revision is used twice. The write is refused if this
// round has read an outdated pool, and with it, perhaps, an older copy.
func (r *Reconciler) copyAhead(ctx context.Context, v *view) error {
	if v.decision.Doc == nil || v.decision.Doc == v.doc {
		return nil
	}
	next := v.pool.DeepCopy()
	next.Status.Placement, next.Status.Rebalancing = toStatus(v.decision.Doc), v.moved // what is spent is noted with what it is spent on
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
	desired := corev1ac.ConfigMap(v.record.Name, v.record.Namespace).
		WithLabels(podspec.Labels(v.pool.Name, podspec.ExpertNode)).
		WithOwnerReferences(a.OwnerReference(poolKind)).
		WithData(map[string]string{podspec.PlacementKey: string(raw)})
	if v.moved != nil {
		desired.WithAnnotations(map[string]string{movedAnnotation: formatMoved(v.moved)})
	}
	if v.record.UID != "" {
		// Refused if somebody else published since this round read the record.
		desired.WithResourceVersion(v.record.ResourceVersion)
	}
	wrote, err := a.ApplyTo(ctx, &v.record, desired)
	if apierrors.IsConflict(err) {
		return fmt.Errorf("the placement changed while it was decided: %w", err)
	}
	if wrote && err == nil && (v.doc == nil || doc.Revision > v.doc.Revision) {
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

// toStatus is the second copy of a document, without addresses.
func toStatus(doc *placement.Document) *v1alpha1.PlacementStatus {
	if doc == nil {
		return nil
	}
	return &v1alpha1.PlacementStatus{
		Revision: doc.Revision, Model: doc.Model, Serving: toEpoch(doc.Serving), Target: toEpoch(doc.Target),
	}
}

func toEpoch(p *placement.Placement) *v1alpha1.PlacementEpoch {
	if p == nil {
		return nil
	}
	out := &v1alpha1.PlacementEpoch{Epoch: p.Epoch, Layers: int32(p.Layers), Experts: int32(p.Experts)} //nolint:gosec // a model's dimensions
	for _, n := range p.Nodes {
		out.Nodes = append(out.Nodes, v1alpha1.PlacementNode{Name: n.Name, Experts: placement.FormatExperts(n.Experts)})
	}
	return out
}

// fromStatus reads the second copy back; nil if there is none that is whole.
func fromStatus(s *v1alpha1.PlacementStatus, address func(node string) string) *placement.Document {
	if s == nil || s.Revision < 1 {
		return nil
	}
	doc := &placement.Document{Revision: s.Revision, Model: s.Model}
	var err error
	if doc.Serving, err = fromEpoch(s.Serving, address); err != nil {
		return nil
	}
	if doc.Target, err = fromEpoch(s.Target, address); err != nil {
		return nil
	}
	if doc.Validate() != nil || doc.Serving == nil && doc.Target == nil {
		return nil
	}
	return doc
}

func fromEpoch(e *v1alpha1.PlacementEpoch, address func(node string) string) (*placement.Placement, error) {
	if e == nil {
		return nil, nil
	}
	p := &placement.Placement{Epoch: e.Epoch, Layers: int(e.Layers), Experts: int(e.Experts)}
	for _, n := range e.Nodes {
		experts, err := placement.ParseExperts(n.Experts, p.Layers, p.Experts)
		if err != nil {
			return nil, err
		}
		p.Nodes = append(p.Nodes, placement.Node{Name: n.Name, Address: address(n.Name), Experts: experts})
	}
	return p, nil
}
