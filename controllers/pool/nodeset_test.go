package pool

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// A pod that a partition keeps at its former template is told with what to do. It is not
// deleted either, for the StatefulSet's controller makes the same one again.
func TestPartition(t *testing.T) {
	for _, c := range []struct {
		name      string
		partition *int32
		revision  string // of pod 1
		says      bool
		deleted   bool
	}{
		{"none", nil, "old", false, true},
		{"zero", new(int32(0)), "old", false, true},
		{"below the pod", new(int32(1)), "old", false, true},
		{"above the pod", new(int32(2)), "old", true, false},
		{"the pod is new", new(int32(2)), "new", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := testView()
			v.set.live = appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts", UID: "u"}, Status: appsv1.StatefulSetStatus{UpdateRevision: "new"}}
			if c.partition != nil {
				v.set.live.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: c.partition}
			}
			v.pods.experts = []corev1.Pod{revised("demo-experts-0", "new"), revised("demo-experts-1", c.revision)}
			said := v.set.missing(v.pods, v.wanted.members(2))
			if got := strings.Contains(said, "demo-experts-1 keeps its former template: set spec.updateStrategy.rollingUpdate.partition of the StatefulSet demo-experts to 0"); got != c.says {
				t.Errorf("missing: %q", said)
			}
			v.troubles.problems = map[string]*diagnose.Problem{"demo-experts-1": {Reason: "CrashLoop"}}
			deleted := deletions{}
			if err := (&Reconciler{Client: &deleted}).unstick(t.Context(), v); err != nil || (deleted.names != nil) != c.deleted {
				t.Errorf("deleted %v (%v), want that: %t", deleted.names, err, c.deleted)
			}
		})
	}
}

// revised is an expert node's pod of a revision of the StatefulSet.
func revised(name, revision string) corev1.Pod {
	return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}}}
}

// deletions is a client that notes what is deleted.
type deletions struct {
	client.Client
	names []string
}

func (d *deletions) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	d.names = append(d.names, o.GetName())
	return nil
}
