package deployment

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// revisionAnnotation numbers a Deployment's templates, on it and on its ReplicaSets.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// newestTemplate is the label value of router pods of the Deployment's newest template;
// empty if it has no ReplicaSet yet. Only ReplicaSets tell which it is, also after a
// change back to an older one, and they are asked for when a pod has a problem only.
func (r *Reconciler) newestTemplate(ctx context.Context, v *view) (string, error) {
	var list appsv1.ReplicaSetList
	err := r.Live.List(ctx, &list, client.InNamespace(v.deployment.Namespace),
		client.MatchingLabels(podspec.Selector(v.deployment.Name, podspec.Router)))
	if err != nil {
		return "", fmt.Errorf("list ReplicaSets of %s: %w", v.routers.Name, err)
	}
	for i := range list.Items {
		if s := &list.Items[i]; s.Annotations[revisionAnnotation] == v.routers.Annotations[revisionAnnotation] {
			return s.Labels[appsv1.DefaultDeploymentUniqueLabelKey], nil
		}
	}
	return "", nil
}
