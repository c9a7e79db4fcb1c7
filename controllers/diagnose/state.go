package diagnose

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// over says whether nothing is expected of a pod any more: it leaves, or it was evicted
// and another one has its place.
func over(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
}

// Ready says whether the kubelet has seen the pod ready.
func Ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Running says whether a container of the pod runs.
func Running(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
}

// Hangs says whether the kubelet has been preparing the pod's containers for longer than
// that may take.
func Hangs(pod *corev1.Pod, now time.Time) bool {
	return starting(pod) && !passing(pod, now, Patience)
}

// Unready says whether the pod runs, and has not been ready for longer than limit.
func Unready(pod *corev1.Pod, now time.Time, limit time.Duration) bool {
	return !over(pod) && Running(pod) && !Ready(pod) && !passing(pod, now, limit)
}

// passing says whether the pod has been failing to start for less than limit, so that the
// cause may yet pass by itself.
func passing(pod *corev1.Pod, now time.Time, limit time.Duration) bool {
	return now.Sub(notReadySince(pod)) < limit
}

// notReadySince is when the pod's containers were last ready, or came to its machine;
// zero if nobody tells.
func notReadySince(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.ContainersReady && c.Status != corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// starting says whether the kubelet prepares the pod's containers.
func starting(pod *corev1.Pod) bool {
	return !over(pod) && slices.ContainsFunc(pod.Status.ContainerStatuses, prepared)
}

// prepared: what is injected into a pod may run before its containers do.
func prepared(s corev1.ContainerStatus) bool {
	w := s.State.Waiting
	return w != nil && (w.Reason == "ContainerCreating" || w.Reason == "PodInitializing")
}

// mounting says whether the pod may wait for its volumes; what keeps them from it shows
// only in events. They are there as soon as it has a sandbox, or a container of it ran.
// The events are read past the cache: one may tell of a pod that is on no machine yet here.
func mounting(pod *corev1.Pod) bool {
	return starting(pod) && pod.Spec.NodeName != "" &&
		!slices.ContainsFunc(pod.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool { return !prepared(s) }) &&
		!slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue
		})
}
