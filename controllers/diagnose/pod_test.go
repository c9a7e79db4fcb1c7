package diagnose

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(edit func(*corev1.PodStatus, *corev1.ContainerStatus)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	s := corev1.ContainerStatus{Name: "c", Image: "img"}
	edit(&p.Status, &s)
	p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
	return p
}

// now is the time of all tests.
var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// ended is the end of a container, a moment ago.
func ended(code int32, reason, message string) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message, FinishedAt: metav1.NewTime(now.Add(-time.Minute))}
}

// endedLongAgo, before the last run.
func endedLongAgo(code int32, reason, message string) *corev1.ContainerStateTerminated {
	e := ended(code, reason, message)
	e.FinishedAt = metav1.NewTime(now.Add(-11 * time.Minute))
	return e
}

// unscheduled is a pod for which the scheduler finds no machine.
func unscheduled(message string) func(*corev1.PodStatus, *corev1.ContainerStatus) {
	return func(s *corev1.PodStatus, _ *corev1.ContainerStatus) {
		s.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: message}}
	}
}

func TestPod(t *testing.T) {
	type status = corev1.PodStatus
	type container = corev1.ContainerStatus
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	wait := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "it says"}}
	}
	cases := []struct {
		name   string
		edit   func(*status, *container)
		reason string
		want   string
	}{
		{"starting", func(_ *status, c *container) { c.State = wait("ContainerCreating") }, "", ""},
		{"running, not ready", func(_ *status, c *container) { c.State = running }, "", ""},
		{"pull", func(_ *status, c *container) { c.State = wait("ErrImagePull") }, "ImagePullFailed", "cannot pull image img"},
		{"pull, later", func(_ *status, c *container) { c.State = wait("ImagePullBackOff") }, "ImagePullFailed", "cannot pull image img"},
		{"name of the image", func(_ *status, c *container) { c.State = wait("InvalidImageName") }, "ImagePullFailed", "check spec.image"},
		{"config", func(_ *status, c *container) { c.State = wait("CreateContainerConfigError") }, "PodConfigError", "it says"},
		{"crashed once, runs", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 1, ended(2, "Error", "boom")
		}, "", ""},
		{"crashed often, runs", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 3, ended(2, "Error", "boom\nstack")
		}, "CrashLoop", "keeps failing: boom"},
		{"crashed often in a year, runs", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 3, endedLongAgo(255, "Unknown", "")
		}, "", ""},
		{"model long ago, runs", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 1, endedLongAgo(1, "Error", "ModelNotFound: x")
		}, "", ""},
		{"crash loop of long runs", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), 3, endedLongAgo(2, "Error", "boom")
		}, "CrashLoop", "keeps failing: boom"},
		{"evicted", func(s *status, c *container) {
			s.Phase, c.State.Terminated, c.RestartCount = corev1.PodFailed, ended(137, "Error", ""), 3
		}, "", ""},
		{"over", func(s *status, c *container) {
			s.Phase, c.State.Terminated, c.RestartCount = corev1.PodSucceeded, ended(1, "Error", "ModelInvalid: x"), 3
		}, "", ""},
		{"crash loop", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), 1, ended(2, "Error", "")
		}, "CrashLoop", "exit code 2: see kubectl logs --previous p"},
		{"out of memory", func(_ *status, c *container) {
			c.State, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), ended(137, "OOMKilled", "")
		}, "CrashLoop", "raise resources.limits.memory"},
		{"ended well", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 5, ended(0, "Completed", "ModelInvalid: x")
		}, "", ""},
		{"model, while it runs again", func(_ *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 1, ended(1, "Error", "ModelInvalid: shard 2 is missing")
		}, "ModelInvalid", "pod p: shard 2 is missing: replace the checkpoint"},
		{"model, just ended", func(_ *status, c *container) {
			c.State.Terminated = ended(1, "Error", "ModelChanged: config.json changed")
		}, "ModelChanged", "do not change a checkpoint in place"},
		{"links that lead out of the model", func(_ *status, c *container) {
			c.State, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), ended(2, "Error", "ModelLinkBroken: config.json: is a symbolic link to x, which is not there")
		}, "ModelLinkBroken", "not there: a pod sees only the directory of model.source"},
		{"permissions", func(_ *status, c *container) {
			c.State, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), ended(2, "Error", "ModelUnreadable: config.json: permission denied")
		}, "ModelUnreadable", "permission denied: let user 65532 read"},
		{"flags", func(_ *status, c *container) {
			c.State, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), ended(1, "Error", "BadFlags: unknown flag: --x")
		}, "BadFlags", "use an image of the operator's version"},
		{"API key", func(_ *status, c *container) {
			c.State, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), ended(2, "Error", "PodConfigError: OLMOE_API_KEY is empty")
		}, "PodConfigError", "pod p: OLMOE_API_KEY is empty: correct the Secret of routers.apiKeySecret"},
		{"a reason of nobody's", func(_ *status, c *container) {
			c.State, c.LastTerminationState.Terminated = wait("CrashLoopBackOff"), ended(1, "Error", "Internal: a bug")
		}, "CrashLoop", "Internal: a bug"},
		{"unschedulable", unscheduled("0/1 nodes"), "Unschedulable", "0/1 nodes"},
		{"no claim", unscheduled(`0/2 nodes are available: persistentvolumeclaim "models" not found. not found`), "VolumeNotFound", "create the PersistentVolumeClaim"},
		{"claim without a volume", unscheduled("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."), "VolumeNotFound", "unbound"},
		{"volume elsewhere", unscheduled("0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."), "VolumeNotFound", "nodeSelector"},
		{"no volume", unscheduled("0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."), "VolumeNotFound", "machines"},
		{"volume here, no memory", unscheduled("0/2 nodes are available: 1 Insufficient memory, 1 node(s) didn't match PersistentVolume's node affinity."), "Unschedulable", "add a machine"},
		{"init container", func(s *status, c *container) {
			c.State = wait("PodInitializing")
			s.InitContainerStatuses = []container{{Name: "istio-init", Image: "istio", State: wait("ImagePullBackOff")}}
		}, "ImagePullFailed", "cannot pull image istio"},
		{"init container fails", func(s *status, c *container) {
			c.State = wait("PodInitializing")
			s.InitContainerStatuses = []container{{Name: "vault", State: wait("CrashLoopBackOff")}}
			s.InitContainerStatuses[0].LastTerminationState.Terminated = ended(1, "Error", "no token")
		}, "CrashLoop", "no token (init container vault"},
		{"gated, not unschedulable", func(s *status, _ *container) {
			s.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "SchedulingGated"}}
		}, "", ""},
		{"ready after crashes", func(s *status, c *container) {
			c.State, c.RestartCount, c.LastTerminationState.Terminated = running, 9, ended(1, "Error", "ModelInvalid: x")
			s.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}, "", ""},
	}
	for _, c := range cases {
		p := Pod(pod(c.edit), now)
		switch {
		case p == nil && c.reason != "":
			t.Errorf("%s: nothing found, want %s", c.name, c.reason)
		case p != nil && (p.Reason != c.reason || !strings.Contains(p.Message, c.want)):
			t.Errorf("%s: %+v, want %s: ...%s...", c.name, *p, c.reason, c.want)
		}
	}
}

// TestSameMessageInBothStatesOfAPull: a pull goes to and fro between trying and
// waiting; the status must not.
func TestSameMessageInBothStatesOfAPull(t *testing.T) {
	say := func(reason string) string {
		return Pod(pod(func(_ *corev1.PodStatus, c *corev1.ContainerStatus) {
			c.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: reason}
		}), now).Message
	}
	if a, b := say("ErrImagePull"), say("ImagePullBackOff"); a != b {
		t.Errorf("%q, then %q", a, b)
	}
}

func TestLeavingPodHasNoProblem(t *testing.T) {
	p := pod(func(_ *corev1.PodStatus, c *corev1.ContainerStatus) {
		c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ErrImagePull"}
	})
	leaving := metav1.NewTime(now)
	p.DeletionTimestamp = &leaving
	if got := Pod(p, now); got != nil {
		t.Errorf("%+v, want nothing: the pod is leaving", *got)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	for name, c := range map[string]struct{ message, want string }{
		"just fits":     {strings.Repeat("x", maxMessage), strings.Repeat("x", maxMessage)},
		"too long":      {strings.Repeat("x", maxMessage+1), strings.Repeat("x", maxMessage) + "..."},
		"between runes": {"x" + strings.Repeat("é", maxMessage), "x" + strings.Repeat("é", maxMessage/2-1) + "..."},
		"first line":    {"\n boom\nstack\n", "boom"},
	} {
		if got := FirstLine(c.message); got != c.want {
			t.Errorf("%s: %d bytes that end in %q, want %d", name, len(got), got[max(0, len(got)-10):], len(c.want))
		}
	}
}

// TestWorse: the first problem is told, unless only the second needs somebody.
func TestWorse(t *testing.T) {
	passing, lasting, other := &Problem{Reason: "passing", Passing: true}, &Problem{Reason: "lasting"}, &Problem{Reason: "other"}
	for _, c := range []struct{ a, b, want *Problem }{
		{nil, nil, nil}, {nil, passing, passing}, {passing, nil, passing}, {lasting, nil, lasting},
		{passing, lasting, lasting}, {lasting, passing, lasting}, {lasting, other, lasting}, {passing, &Problem{Passing: true}, passing},
	} {
		if got := Worse(c.a, c.b); got != c.want {
			t.Errorf("of %+v and %+v: %+v", c.a, c.b, got)
		}
	}
}

// TestReady: only the kubelet's condition of this name counts.
func TestReady(t *testing.T) {
	condition := func(kind corev1.PodConditionType, is corev1.ConditionStatus) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: is}
	}
	for want, list := range map[bool][]corev1.PodCondition{
		true:  {condition(corev1.PodInitialized, "False"), condition(corev1.PodReady, "True")},
		false: {condition(corev1.PodInitialized, "True"), condition(corev1.PodReady, "False")},
	} {
		if got := Ready(&corev1.Pod{Status: corev1.PodStatus{Conditions: list}}); got != want {
			t.Errorf("%v: ready is %v", list, got)
		}
	}
}

// TestPassing: what often passes by itself needs nobody until it has lasted for minutes;
// what never does needs somebody at once.
func TestPassing(t *testing.T) {
	waits := func(reason string) func(*corev1.PodStatus, *corev1.ContainerStatus) {
		return func(_ *corev1.PodStatus, c *corev1.ContainerStatus) {
			c.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason}
		}
	}
	cases := []struct {
		name   string
		edit   func(*corev1.PodStatus, *corev1.ContainerStatus)
		passes time.Duration
	}{
		{"ErrImagePull", waits("ErrImagePull"), Retries},
		{"ImagePullBackOff", waits("ImagePullBackOff"), Retries},
		{"RegistryUnavailable", waits("RegistryUnavailable"), Retries},
		{"InvalidImageName", waits("InvalidImageName"), 0},
		{"ErrImageNeverPull", waits("ErrImageNeverPull"), 0},
		{"CreateContainerConfigError", waits("CreateContainerConfigError"), 0},
		{"CrashLoopBackOff", func(_ *corev1.PodStatus, c *corev1.ContainerStatus) {
			c.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
			c.LastTerminationState.Terminated = ended(1, "Error", "ModelInvalid: x")
		}, 0},
		{"Unschedulable", unscheduled("0/2 nodes are available: 2 Insufficient memory."), Patience},
		{"no claim", unscheduled(`persistentvolumeclaim "models" not found`), 0},
		{"no volume yet", unscheduled("pod has unbound immediate PersistentVolumeClaims"), Patience},
	}
	for _, c := range cases {
		for _, ago := range []time.Duration{0, 50 * time.Second, 2 * time.Minute, 4 * time.Minute, 6 * time.Minute, 24 * time.Hour} {
			p := pod(c.edit)
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionFalse})
			for i := range p.Status.Conditions {
				p.Status.Conditions[i].LastTransitionTime = metav1.NewTime(now.Add(-ago))
			}
			want := ago < c.passes
			if got := Pod(p, now); got == nil || got.Passing != want {
				t.Errorf("%s for %s: %+v, want passing %v", c.name, ago, got, want)
			}
		}
	}
}
