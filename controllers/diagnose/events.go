package diagnose

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// All finds what is wrong with a pod, from its status and its events.
func All(ctx context.Context, live client.Reader, pod *corev1.Pod, now time.Time) (*Problem, error) {
	if p := Pod(pod, now); p != nil {
		return p, nil
	}
	return Mount(ctx, live, pod)
}

// Mount finds what keeps the kubelet from mounting a pod's volumes. Kubernetes
// tells that in events only, so they are asked for (past the cache), but just for
// a pod that is being started.
func Mount(ctx context.Context, live client.Reader, pod *corev1.Pod) (*Problem, error) {
	if !Starting(pod) {
		return nil, nil
	}
	text, err := newestEvent(ctx, live, pod, "FailedMount")
	if text == "" || err != nil {
		return nil, err
	}
	if strings.Contains(text, "hostPath type check failed") {
		return &Problem{v1alpha1.ReasonModelNotFound, fmt.Sprintf(
			"pod %s: the directory of model.source is not on machine %s: put the checkpoint there, or choose machines by nodeSelector",
			pod.Name, pod.Spec.NodeName)}, nil
	}
	if !strings.Contains(text, `"model"`) {
		return nil, nil // the kubelet's own: it tries again
	}
	return &Problem{v1alpha1.ReasonVolumeNotFound, fmt.Sprintf(
		"pod %s: the volume of model.source cannot be mounted on machine %s: %s", pod.Name, pod.Spec.NodeName, firstLine(text))}, nil
}

// Refused finds out why an owner (StatefulSet, ReplicaSet) cannot make its pods.
func Refused(ctx context.Context, live client.Reader, owner client.Object) (*Problem, error) {
	text, err := newestEvent(ctx, live, owner, "FailedCreate")
	if text == "" || err != nil {
		return nil, err
	}
	return &Problem{v1alpha1.ReasonPodsRefused, fmt.Sprintf(
		"the cluster refuses pods of %s: %s: change the quota or the policy of the namespace, or the spec", owner.GetName(), firstLine(text))}, nil
}

// maxEvents is what one question may return; repeats are counted in one event.
const maxEvents = 20

func newestEvent(ctx context.Context, live client.Reader, o client.Object, reason string) (string, error) {
	var list corev1.EventList
	err := live.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.Limit(maxEvents), client.MatchingFieldsSelector{
		Selector: fields.Set{"involvedObject.uid": string(o.GetUID()), "reason": reason}.AsSelector(),
	})
	if err != nil {
		return "", fmt.Errorf("list events of %s: %w", o.GetName(), err)
	}
	newest := -1
	for i := range list.Items {
		if newest < 0 || list.Items[newest].LastTimestamp.Before(&list.Items[i].LastTimestamp) {
			newest = i
		}
	}
	if newest < 0 {
		return "", nil
	}
	return list.Items[newest].Message, nil
}
