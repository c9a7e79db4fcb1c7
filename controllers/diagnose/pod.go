// Package diagnose turns the states of pods into a reason and a message that
// says what to do.
package diagnose

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
)

// Problem keeps a pod, or an object that is yet to be made, from working until somebody
// acts. The message holds no counters or times: it changes only when the problem does.
type Problem struct {
	Reason, Message string
	// Passing: it is of a kind that often passes by itself, and has not lasted for
	// Patience or Retries. Nobody has to act yet.
	Passing bool
}

// Verdict is that of an object that has the problem.
func (p *Problem) Verdict() conditions.Verdict {
	if p.Passing {
		return conditions.Waiting(p.Reason, "%s", p.Message)
	}
	return conditions.Stalled(p.Reason, p.Message)
}

const (
	// Patience with what may pass by itself: a cluster autoscaler brings a machine in one to
	// three minutes, and a new machine's storage drivers come up after it.
	Patience = 5 * time.Minute
	// Retries is how long what the kubelet tries again may fail: an image by then four times.
	Retries = time.Minute
)

// Worse picks the problem to tell: a, unless only b needs somebody to act. Either may be
// nil.
func Worse(a, b *Problem) *Problem {
	if a == nil || b != nil && a.Passing && !b.Passing {
		return b
	}
	return a
}

// Pod finds what is wrong with a pod; nil if nothing is known to be.
func Pod(pod *corev1.Pod, now time.Time) *Problem {
	if over(pod) || Ready(pod) {
		return nil
	}
	if p := scheduling(pod, now); p != nil {
		return p
	}
	for i := range pod.Status.InitContainerStatuses { // none is the operator's
		if p := container(pod, &pod.Status.InitContainerStatuses[i], now); p != nil {
			p.Message += fmt.Sprintf(" (init container %s, which something has added to the pod)", pod.Status.InitContainerStatuses[i].Name)
			return p
		}
	}
	for i := range pod.Status.ContainerStatuses {
		if p := container(pod, &pod.Status.ContainerStatuses[i], now); p != nil {
			return p
		}
	}
	return nil
}

// volumeWords are in what the scheduler says of claims and their volumes.
var volumeWords = regexp.MustCompile(`(?i)persistent ?volume|volume zone`)

func scheduling(pod *corev1.Pod, now time.Time) *Problem {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		passing := now.Sub(c.LastTransitionTime.Time) < Patience && !strings.Contains(c.Message, "not found")
		if volumeWords.MatchString(c.Message) && !strings.Contains(c.Message, "Insufficient") { // else some machine could mount it
			return &Problem{v1alpha1.ReasonVolumeNotFound, fmt.Sprintf(
				"pod %s cannot be scheduled: %s: create the PersistentVolumeClaim that model.source names, in the same namespace, "+
					"with a volume that can be used on machines which nodeSelector, tolerations and affinity allow", pod.Name, c.Message), passing}
		}
		return &Problem{v1alpha1.ReasonUnschedulable, fmt.Sprintf(
			"pod %s cannot be scheduled: %s: add a machine, or change resources, nodeSelector, tolerations or affinity in the spec", pod.Name, c.Message), passing}
	}
	return nil
}

func container(pod *corev1.Pod, s *corev1.ContainerStatus, now time.Time) *Problem {
	if w := s.State.Waiting; w != nil {
		switch w.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
			return &Problem{v1alpha1.ReasonImagePullFailed, fmt.Sprintf(
				"pod %s cannot pull image %s: check spec.image (where it is taken out, pods keep the last one), imagePullPolicy and imagePullSecrets "+
					"(kubectl describe pod %s shows the registry's answer)",
				pod.Name, s.Image, pod.Name), w.Reason != "InvalidImageName" && w.Reason != "ErrImageNeverPull" && passing(pod, now, Retries)}
		case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
			return &Problem{Reason: v1alpha1.ReasonPodConfigError, Message: fmt.Sprintf(
				"pod %s: the container cannot be made: %s", pod.Name, w.Message)}
		}
	}
	return crash(pod, s, now)
}

const (
	// restartsBeforeAlarm: a pod that restarted once or twice and is loading again is
	// on its way; a third time it is in a loop.
	restartsBeforeAlarm = 3
	// crashCounts: an end longer ago is no reason why the pod is not ready now. Restarts
	// are counted over a pod's whole life, and machines restart, too.
	crashCounts = 10 * time.Minute
)

// crash reads why the container ended last time. A reason that starting again
// cannot mend is told at once and until the pod is ready, also in the moments when
// it runs: a status that flaps helps nobody.
func crash(pod *corev1.Pod, s *corev1.ContainerStatus, now time.Time) *Problem {
	last := s.LastTerminationState.Terminated
	if s.State.Terminated != nil {
		last = s.State.Terminated
	}
	looping := s.State.Waiting != nil && s.State.Waiting.Reason == "CrashLoopBackOff"
	down := looping || s.State.Terminated != nil
	if last == nil || last.ExitCode == 0 || !down && now.Sub(last.FinishedAt.Time) > crashCounts {
		return nil
	}
	if p := told(pod.Name, last.Message); p != nil {
		return p
	}
	if !looping && s.RestartCount < restartsBeforeAlarm {
		return nil
	}
	return &Problem{Reason: v1alpha1.ReasonCrashLoop, Message: fmt.Sprintf("pod %s keeps failing: %s", pod.Name, why(pod.Name, last))}
}

func why(pod string, t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason == "OOMKilled":
		return "it needed more memory than its limit: raise resources.limits.memory"
	case t.Message != "":
		return FirstLine(t.Message)
	}
	return fmt.Sprintf("exit code %d: see kubectl logs --previous %s", t.ExitCode, pod)
}

// advice for the reasons that the program itself writes to its termination log
// as "REASON: message".
var advice = map[string]string{
	v1alpha1.ReasonModelNotFound: "put the checkpoint where model.source says, on every machine that may run a pod",
	v1alpha1.ReasonModelLinkBroken: "a pod sees only the directory of model.source, so put files there instead of links that lead out of it " +
		"(cp -rL, or hf download --local-dir)",
	v1alpha1.ReasonModelUnreadable: "let user 65532 read the files and enter the directory",
	v1alpha1.ReasonModelInvalid:    "replace the checkpoint by a complete OLMoE one",
	v1alpha1.ReasonModelChanged:    "do not change a checkpoint in place: use another directory and another OLMoEDeployment",
	v1alpha1.ReasonBadFlags:        "use an image of the operator's version",
	v1alpha1.ReasonPodConfigError:  "correct the Secret of routers.apiKeySecret; the pods start again by themselves",
}

func told(pod, message string) *Problem {
	reason, text, ok := strings.Cut(FirstLine(message), ": ")
	if !ok || advice[reason] == "" {
		return nil
	}
	return &Problem{Reason: reason, Message: fmt.Sprintf("pod %s: %s: %s", pod, text, advice[reason])}
}

// maxMessage keeps a pod's words from filling the status.
const maxMessage = 512

// FirstLine is what of a pod's words goes into a message.
func FirstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	return s
}
