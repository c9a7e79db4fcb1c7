package pool

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// unstick deletes pods that cannot start and come from an older template. A
// StatefulSet replaces one pod at a time and waits until it is ready, and a node
// is ready only when the others have reported as well: after a spec that could not
// work, the corrected one would never get through. Such a pod serves nothing.
func (r *Reconciler) unstick(ctx context.Context, v *view) error {
	for i := range v.experts {
		p := &v.experts[i]
		if p.DeletionTimestamp != nil || !v.outdated(p) || v.problems[p.Name] == nil && !diagnose.Hangs(p, v.now) {
			continue
		}
		logf.FromContext(ctx).Info("replacing a pod of an older spec that cannot start", "pod", p.Name)
		if err := r.Client.Delete(ctx, p, client.Preconditions{UID: &p.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete pod %s: %w", p.Name, err)
		}
	}
	return nil
}

// outdated says whether a pod comes from an older template than the StatefulSet's,
// as far as the StatefulSet's controller has looked.
func (v *view) outdated(p *corev1.Pod) bool {
	s := &v.set.Status
	return s.ObservedGeneration == v.set.Generation && s.UpdateRevision != "" &&
		p.Labels[appsv1.ControllerRevisionHashLabelKey] != s.UpdateRevision
}
