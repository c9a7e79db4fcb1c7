package pool

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// TestStand: copies part only where all pods are there and have stood long enough.
func TestStand(t *testing.T) {
	two := int32(2)
	pod := func(name, machine string) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podspec.ExpertsName("demo") + name}, Spec: corev1.PodSpec{NodeName: machine}}
		if machine != "" {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		return p
	}
	v := &view{
		wanted: wanted{name: "demo", spec: &v1alpha1.ExpertPoolSpec{Replicas: &two}},
		set:    nodeSet{live: appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{UID: "u"}}}, memory: &memory{},
	}
	start := time.Unix(1e6, 0)
	for _, c := range []struct {
		name    string
		after   time.Duration
		experts []corev1.Pod
		want    bool
	}{
		{"at first", 0, []corev1.Pod{pod("-0", "a"), pod("-1", "b")}, false},
		{"soon", 29 * time.Second, []corev1.Pod{pod("-0", "a"), pod("-1", "b")}, false},
		{"long enough", 30 * time.Second, []corev1.Pod{pod("-0", "a"), pod("-1", "b")}, true},
		{"one is gone", 40 * time.Second, []corev1.Pod{pod("-0", "a")}, false},
		{"it is not scheduled", 75 * time.Second, []corev1.Pod{pod("-0", "a"), pod("-1", "")}, false},
		{"it is on another machine", 80 * time.Second, []corev1.Pod{pod("-0", "a"), pod("-1", "a")}, false},
		{"and stays", 110 * time.Second, []corev1.Pod{pod("-0", "a"), pod("-1", "a")}, true},
	} {
		v.now, v.pods.experts = start.Add(c.after), c.experts
		v.memory.located.note(v.pods.machines(), v.now)
		if got := v.memory.located.stand(v.wanted.restoreAfter(), v.now) && v.progress().missing == ""; got != c.want {
			t.Errorf("%s: stand is %v: %s", c.name, got, v.progress().missing)
		}
	}
}
