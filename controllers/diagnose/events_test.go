package diagnose

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// server answers each question for events as the API server does, and counts them.
type server struct {
	client.Reader
	asked  int
	err    error
	events []corev1.Event
}

func (s *server) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	s.asked++
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("no deadline")
	}
	o := client.ListOptions{}
	if o.ApplyOptions(opts); o.Limit != maxEvents {
		return fmt.Errorf("%d events are asked for at once, want %d", o.Limit, maxEvents)
	}
	for _, e := range s.events {
		if o.FieldSelector.Matches(fields.Set{"involvedObject.uid": string(e.InvolvedObject.UID), "type": e.Type, "reason": e.Reason}) {
			list.(*corev1.EventList).Items = append(list.(*corev1.EventList).Items, e)
		}
	}
	return s.err
}

// waitingPod is one that the kubelet prepares; its model is on a claim.
func waitingPod(uid types.UID) corev1.Pod {
	p := pod(func(_ *corev1.PodStatus, c *corev1.ContainerStatus) {
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	})
	p.UID, p.Spec.NodeName = uid, "node1"
	p.Spec.Volumes = []corev1.Volume{{Name: "model"}, {Name: "placement"}, {Name: "istio-token"}}
	p.Spec.Volumes[0].PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "models"}
	return *p
}

// event of a mount that failed, in a pod.
func event(pod types.UID, at time.Time, message string) corev1.Event {
	return corev1.Event{InvolvedObject: corev1.ObjectReference{UID: pod}, Type: "Warning", Reason: "FailedMount",
		LastTimestamp: metav1.NewTime(at), Message: message}
}

// Words of the kubelet.
const (
	noDirectory = `MountVolume.SetUp failed for volume "model" : hostPath type check failed: /srv/olmoe is not a directory`
	noConfigMap = `MountVolume.SetUp failed for volume "placement" : failed to sync configmap cache: timed out waiting for the condition`
	refusedNFS  = `MountVolume.SetUp failed for volume "pvc-7d0c" : mount failed: exit status 32`
	timedOut    = `unmounted volumes=[model], unattached volumes=[], failed to process volumes=[]: context deadline exceeded`
)

// TestLook: a pod's events are asked for now and then, what they told is known
// meanwhile, and a server that does not tell them changes nothing.
func TestLook(t *testing.T) {
	s := &server{events: []corev1.Event{event("a", now.Add(-time.Minute), refusedNFS), event("a", now.Add(-time.Hour), noDirectory), event("a", now, timedOut)}}
	var e Events
	pods := []corev1.Pod{waitingPod("a")}
	known := func(at time.Time) string {
		if p := e.Problem(&pods[0], at); p != nil {
			return p.Reason
		}
		return ""
	}
	steps := []struct {
		what   string
		after  time.Duration
		edit   func()
		asked  int
		reason string
	}{
		{"first", 0, nil, 1, "VolumeNotFound"},
		{"soon after", 4 * time.Second, func() { s.events = nil }, 1, "VolumeNotFound"},
		{"an error", 6 * time.Second, func() { s.err = errors.New("no answer") }, 2, "VolumeNotFound"},
		{"errors are not asked for again at once", 7 * time.Second, func() { s.err = nil }, 2, "VolumeNotFound"},
		{"mended", 12 * time.Second, nil, 3, ""},
		{"another pod of the name", 13 * time.Second, func() {
			pods[0].UID = "b"
			s.events = []corev1.Event{event("a", now, refusedNFS), event("b", now, noDirectory)}
		}, 4, "ModelNotFound"},
		{"it runs", 14 * time.Second, func() {
			pods[0].Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		}, 4, ""},
	}
	if known(now) != "" || s.asked != 0 {
		t.Error("something is known before the first look")
	}
	for _, step := range steps {
		if step.edit != nil {
			step.edit()
		}
		at := now.Add(step.after)
		e.Look(t.Context(), s, pods, at)
		if got := known(at); got != step.reason || s.asked != step.asked {
			t.Errorf("%s: %q after %d questions, want %q after %d", step.what, got, s.asked, step.reason, step.asked)
		}
	}
	e.Look(t.Context(), s, []corev1.Pod{waitingPod("c")}, now.Add(time.Hour))
	if len(e.seen) != 1 {
		t.Errorf("%d pods are remembered, want 1: the others are gone", len(e.seen))
	}
}

// TestRefused: an old refusal is over when a pod has been made since, or nobody has tried
// for longer than controllers wait.
func TestRefused(t *testing.T) {
	set := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts", UID: "s"}}
	cases := []struct {
		name, reason string
		ago, newer   time.Duration // the event, the newest pod
		want         bool
	}{
		{"just now", "FailedCreate", 0, time.Hour, true},
		{"between two tries", "FailedCreate", 15 * time.Minute, time.Hour, true},
		{"a pod was made since", "FailedCreate", 15 * time.Minute, time.Minute, false},
		{"long ago", "FailedCreate", 21 * time.Minute, time.Hour, false},
		{"another event", "RecreatingFailedPod", 0, time.Hour, false},
	}
	for _, c := range cases {
		e := event("s", now.Add(-c.ago), "exceeded quota")
		e.Reason = c.reason
		s := &server{events: []corev1.Event{e}}
		if got := new(Events).Refused(t.Context(), s, set, now.Add(-c.newer), now); (got != nil) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestRefusalIsRemembered: a server that does not tell events takes back nothing that it
// told before.
func TestRefusalIsRemembered(t *testing.T) {
	set := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts", UID: "s"}}
	e := event("s", now, "exceeded quota")
	e.Reason = "FailedCreate"
	s := &server{events: []corev1.Event{e}}
	var known Events
	if p := known.Refused(t.Context(), s, set, now, now); p == nil {
		t.Fatal("no refusal is found")
	}
	s.events, s.err = nil, errors.New("no answer")
	if p := known.Refused(t.Context(), s, set, now, now.Add(time.Minute)); p == nil {
		t.Error("the refusal is forgotten, and nobody took it back")
	}
}

// TestStatusIsTold: what a pod's status says needs no event.
func TestStatusIsTold(t *testing.T) {
	p := waitingPod("a")
	p.Status.ContainerStatuses[0].State.Waiting.Reason = "ImagePullBackOff"
	if got := new(Events).Problem(&p, now); got == nil || got.Reason != "ImagePullFailed" {
		t.Errorf("%+v, want ImagePullFailed", got)
	}
}
