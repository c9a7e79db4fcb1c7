package deployment

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// replicaSets are those of a Deployment; each is one of its templates.
type replicaSets struct {
	client.Reader
	list []appsv1.ReplicaSet
	err  error
}

func (r *replicaSets) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*appsv1.ReplicaSetList).Items = r.list
	return r.err
}

// template is a ReplicaSet of a revision.
func template(hash, revision string) appsv1.ReplicaSet {
	return appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Labels: map[string]string{"pod-template-hash": hash}, Annotations: map[string]string{revisionAnnotation: revision},
	}}
}

// waitingPod is a router pod of a template that waits for a reason.
func waitingPod(name, hash, reason string) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-template-hash": hash}}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
	return p
}

// TestDiagnose: only troubles of the newest template's routers need somebody, for the others
// are replaced; where nobody tells which those are, all do.
func TestDiagnose(t *testing.T) {
	healthy := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "healthy", Labels: map[string]string{"pod-template-hash": "new"}}}
	known := &replicaSets{list: []appsv1.ReplicaSet{template("old", "6"), template("new", "7")}}
	silent := &replicaSets{err: errors.New("no answer")}
	pull, config := waitingPod("old", "old", "InvalidImageName"), waitingPod("new", "new", "CreateContainerConfigError")
	refused := appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Message: "exceeded quota"}
	over := refused
	over.Status = corev1.ConditionFalse
	cases := []struct {
		name       string
		live       *replicaSets
		pods       []corev1.Pod
		conditions []appsv1.DeploymentCondition
		want       string
	}{
		{"all is well", known, []corev1.Pod{healthy}, nil, ""},
		{"an old router has trouble", known, []corev1.Pod{pull, healthy}, nil, ""},
		{"a new one has", known, []corev1.Pod{healthy, pull, config}, nil, "PodConfigError"},
		{"nobody tells which is new", silent, []corev1.Pod{pull, config}, nil, "ImagePullFailed"},
		{"no more can be made", known, []corev1.Pod{healthy}, []appsv1.DeploymentCondition{refused}, "PodsRefused"},
		{"those that were made have trouble as well", known, []corev1.Pod{config}, []appsv1.DeploymentCondition{refused}, "PodConfigError"},
		{"more can be made again", known, []corev1.Pod{healthy}, []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: "True"}, over}, ""},
	}
	for _, c := range cases {
		r := &Reconciler{Live: c.live, Clock: clock.NewFakePassiveClock(time.Unix(1000, 0))}
		v := testView()
		v.pods = c.pods
		v.routers.Annotations = map[string]string{revisionAnnotation: "7"}
		v.routers.Status.Conditions = c.conditions
		p := r.diagnose(t.Context(), v)
		switch {
		case p == nil && c.want != "":
			t.Errorf("%s: nothing found, want %s", c.name, c.want)
		case p != nil && p.Reason != c.want:
			t.Errorf("%s: %+v, want %q", c.name, *p, c.want)
		case p != nil && p.Reason == "PodsRefused" && !strings.Contains(p.Message, "exceeded quota"):
			t.Errorf("%s: %q does not say why", c.name, p.Message)
		}
	}
}
