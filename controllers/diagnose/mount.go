package diagnose

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// modelVolume is the model's among a pod's volumes.
const modelVolume = "model"

// Reasons of events about volumes: of the kubelet, and of the controller that attaches
// volumes to machines.
const (
	failedMount  = "FailedMount"
	failedAttach = "FailedAttachVolume"
)

var (
	// namedVolume is that of a message about one volume. That of a claim has the name of
	// its PersistentVolume there.
	namedVolume = regexp.MustCompile(`for volume "([^"]*)"`)
	// unmountedVolumes are in the kubelet's summary, by their names in the pod.
	unmountedVolumes = regexp.MustCompile(`unmounted volumes=\[([^\]]*)\]`)
)

// mount finds what keeps the model's volume from being mounted. What keeps others is
// somebody else's, or passes: the kubelet tries again.
func mount(ctx context.Context, live client.Reader, pod *corev1.Pod) (*Problem, error) {
	events, err := listEvents(ctx, live, pod, fields.Set{"type": corev1.EventTypeWarning})
	if err != nil {
		return nil, err
	}
	event := newest(events, func(e *corev1.Event) bool { return aboutVolumes(e) && namesModel(pod, e.Message) })
	if event == nil { // the summary says less
		event = newest(events, func(e *corev1.Event) bool { return aboutVolumes(e) && lacksModel(e.Message) })
	}
	switch {
	case event == nil:
		return nil, nil
	case strings.Contains(event.Message, "hostPath type check failed"):
		return &Problem{Reason: v1alpha1.ReasonModelNotFound, Message: fmt.Sprintf(
			"pod %s: the directory of model.source is not on machine %s: put the checkpoint there, or choose machines by nodeSelector",
			pod.Name, pod.Spec.NodeName)}, nil
	}
	return &Problem{v1alpha1.ReasonVolumeNotFound, fmt.Sprintf(
		"pod %s: the volume of model.source cannot be mounted on machine %s: %s: mend the storage, or choose machines by nodeSelector; "+
			"pods on several machines need a claim that is ReadOnlyMany or ReadWriteMany",
		pod.Name, pod.Spec.NodeName, FirstLine(event.Message)), true}, nil
}

func aboutVolumes(e *corev1.Event) bool { return e.Reason == failedMount || e.Reason == failedAttach }

// namesModel: a name that none of the pod's volumes has is a PersistentVolume's, and the
// model's is the only claim that the operator asks for.
func namesModel(pod *corev1.Pod, message string) bool {
	m := namedVolume.FindStringSubmatch(message)
	if m == nil {
		return false
	}
	claim := false
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i]; v.Name {
		case modelVolume:
			claim = v.PersistentVolumeClaim != nil
		case m[1]:
			return false
		}
	}
	return m[1] == modelVolume || claim
}

func lacksModel(message string) bool {
	m := unmountedVolumes.FindStringSubmatch(message)
	return m != nil && slices.Contains(strings.Fields(m[1]), modelVolume)
}
