package diagnose

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestMounts: what the kubelet and the controller that attaches volumes say of the model's
// volume is told, in whatever words, and what they say of others is not.
func TestMounts(t *testing.T) {
	file := func(p *corev1.Pod) { p.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{} }
	initializing := func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].State.Waiting.Reason = "PodInitializing"
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "istio-init", State: p.Status.ContainerStatuses[0].State}}
	}
	cases := []struct {
		name, reason, message string
		edit                  func(*corev1.Pod)
		want, says            string
	}{
		{"no directory", "FailedMount", noDirectory, file, "ModelNotFound", "not on machine node1"},
		{"no directory, with init containers", "FailedMount", noDirectory, func(p *corev1.Pod) { file(p); initializing(p) }, "ModelNotFound", "not on machine node1"},
		{"on no machine that is known here", "FailedMount", noDirectory, func(p *corev1.Pod) { file(p); p.Spec.NodeName = "" }, "", ""},
		{"claim: NFS refuses", "FailedMount", refusedNFS, nil, "VolumeNotFound", "exit status 32"},
		{"claim: CSI, with init containers", "FailedMount", `MountVolume.MountDevice failed for volume "pvc-7d0c" : rpc error: code = Internal desc = no such device`, initializing, "VolumeNotFound", "no such device"},
		{"claim on another machine", "FailedAttachVolume", `Multi-Attach error for volume "pvc-7d0c" Volume is already used by pod(s) demo-experts-0`, nil, "VolumeNotFound", "ReadWriteMany"},
		{"attaching", "FailedAttachVolume", `AttachVolume.Attach failed for volume "pvc-7d0c" : rpc error: code = NotFound`, nil, "VolumeNotFound", "NotFound"},
		{"the summary", "FailedMount", timedOut, nil, "VolumeNotFound", "context deadline exceeded"},
		{"the summary, as it was", "FailedMount", "Unable to attach or mount volumes: unmounted volumes=[istio-token model], unattached volumes=[placement model]: timed out waiting for the condition", nil, "VolumeNotFound", "timed out"},
		{"the summary of another", "FailedMount", "Unable to attach or mount volumes: unmounted volumes=[istio-token], unattached volumes=[placement model]: timed out waiting for the condition", nil, "", ""},
		{"the placement", "FailedMount", noConfigMap, nil, "", ""},
		{"somebody's token", "FailedMount", `MountVolume.SetUp failed for volume "istio-token" : failed to fetch token`, nil, "", ""},
		{"not the model's, which is no claim", "FailedMount", refusedNFS, file, "", ""},
		{"another event", "FailedCreatePodSandBox", `for volume "pvc-7d0c"`, nil, "", ""},
		{"an init container runs", "FailedMount", refusedNFS, func(p *corev1.Pod) {
			initializing(p)
			p.Status.InitContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		}, "", ""},
		{"mounted since", "FailedMount", refusedNFS, func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}}
		}, "", ""},
	}
	for _, c := range cases {
		pods := []corev1.Pod{waitingPod("a")}
		if c.edit != nil {
			c.edit(&pods[0])
		}
		e := event("a", now, c.message)
		e.Reason = c.reason
		var events Events
		events.Look(t.Context(), &server{events: []corev1.Event{e}}, pods, now)
		switch p := events.Problem(&pods[0], now); {
		case p == nil && c.want != "":
			t.Errorf("%s: nothing found, want %s", c.name, c.want)
		case p != nil && (p.Reason != c.want || !strings.Contains(p.Message, c.says)):
			t.Errorf("%s: %+v, want %q: ...%s...", c.name, *p, c.want, c.says)
		}
	}
}

// TestMountsPass: storage that comes up needs nobody, until it has not for minutes; what
// events told once is judged by the time since.
func TestMountsPass(t *testing.T) {
	pods := []corev1.Pod{waitingPod("a")}
	pods[0].Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now)}}
	var events Events
	events.Look(t.Context(), &server{events: []corev1.Event{event("a", now, refusedNFS)}}, pods, now)
	for after, want := range map[time.Duration]bool{0: true, 4 * time.Minute: true, 6 * time.Minute: false} {
		if p := events.Problem(&pods[0], now.Add(after)); p == nil || p.Passing != want {
			t.Errorf("after %s: %+v, want passing %v", after, p, want)
		}
	}
}

// TestHangs: a pod that is being started for minutes hangs, whatever events say.
func TestHangs(t *testing.T) {
	since := func(ago time.Duration) []corev1.PodCondition {
		return []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now)},
			{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-ago))},
		}
	}
	for _, reason := range []string{"ContainerCreating", "PodInitializing", "ErrImagePull"} {
		p := waitingPod("a")
		p.Status.ContainerStatuses[0].State.Waiting.Reason = reason
		p.Status.Conditions = since(4 * time.Minute)
		if Hangs(&p, now) {
			t.Errorf("%s: hangs after 4 minutes", reason)
		}
		p.Status.Conditions = since(6 * time.Minute)
		if want := reason != "ErrImagePull"; Hangs(&p, now) != want {
			t.Errorf("%s: hangs after 6 minutes is %v", reason, !want)
		}
	}
}

// TestLeavingPodDoesNotHang: nothing is expected any more of a pod that leaves.
func TestLeavingPodDoesNotHang(t *testing.T) {
	p := waitingPod("a")
	if !Hangs(&p, now) {
		t.Fatal("a pod that has been starting for ever does not hang")
	}
	p.DeletionTimestamp = &metav1.Time{Time: now}
	if Hangs(&p, now) {
		t.Error("it hangs")
	}
}
