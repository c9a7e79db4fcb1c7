package deployment

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// revisionAnnotation numbers a Deployment's templates, on it and on its ReplicaSets.
const revisionAnnotation = "deployment.kubernetes.io/revision"

// newestTemplate is the label value of router pods of the Deployment's newest template;
// empty if that is not known. Only ReplicaSets tell which it is, also after a change back
// to an older one, and they are asked for when a pod has a problem only.
func (r *Reconciler) newestTemplate(ctx context.Context, v *view) string {
	var list appsv1.ReplicaSetList
	err := r.Live.List(ctx, &list, client.InNamespace(v.deployment.Namespace),
		client.MatchingLabels(podspec.Selector(v.deployment.Name, podspec.Router)))
	if err != nil {
		logf.FromContext(ctx).Info("which routers are of the newest spec is not known", "error", err.Error())
	}
	for i := range list.Items {
		if s := &list.Items[i]; s.Annotations[revisionAnnotation] == v.routers.Annotations[revisionAnnotation] {
			return s.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
		}
	}
	return ""
}
