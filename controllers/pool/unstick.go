package pool

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// unstick deletes pods that cannot start and come from an older template. A
// StatefulSet replaces one pod at a time and waits until it is ready, and a node
// is ready only when the others have reported as well: after a spec that could not
// work, the corrected one would never get through. Such a pod serves nothing. One that a
// partition holds would come back as it is.
func (r *Reconciler) unstick(ctx context.Context, v *view) error {
	for i := range v.pods.experts {
		p := &v.pods.experts[i]
		if p.DeletionTimestamp != nil || !v.set.outdated(p) || v.set.holds(p) || v.troubles.problems[p.Name] == nil && !diagnose.Hangs(p, v.now) {
			continue
		}
		logf.FromContext(ctx).Info("replacing a pod of an older spec that cannot start", "pod", p.Name)
		if err := r.Client.Delete(ctx, p, client.Preconditions{UID: &p.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete pod %s: %w", p.Name, err)
		}
	}
	return nil
}
