package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownContainer is the operator's container in its pod.
const ownContainer = "manager"

// OwnImage is the image that the operator's own pod runs, whoever put it there: manifests
// hold it in one place only, so that nothing that rewrites images can miss another.
func OwnImage(ctx context.Context, c client.Reader, namespace, pod string) (string, error) {
	var p corev1.Pod
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: pod}, &p); err != nil {
		return "", err
	}
	for _, container := range p.Spec.Containers {
		if container.Name == ownContainer || len(p.Spec.Containers) == 1 {
			return container.Image, nil
		}
	}
	return "", fmt.Errorf("pod %s/%s has no container %s", namespace, pod, ownContainer)
}
