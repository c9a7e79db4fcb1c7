package pool

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

// TestGolden: the objects as they are applied. A change of the pod template
// restarts every user's expert nodes on an upgrade (invariant 7):
// run with -update only if the objects have to change.
func TestGolden(t *testing.T) {
	v := testView()
	v.pool.UID = "u"
	v.pool.Spec.Model = v1alpha1.Model{Source: "pvc://models/olmoe", Weights: v1alpha1.WeightsBF16}
	v.pool.Spec.ImageSettings = v1alpha1.ImageSettings{Image: "olmoe:v1", ImagePullPolicy: corev1.PullIfNotPresent}
	a := &apply.Applier{Owner: v.pool}
	f := v.wanted.family(a)
	objects := []any{statefulSet(f, 3, v.wanted.template())}
	for _, c := range plainChildren(f) {
		objects = append(objects, c.Desired)
	}
	var all strings.Builder
	for _, o := range objects {
		raw, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n" + string(raw))
	}
	goldentest.Recorded(t, "testdata/objects.yaml", all.String())
}
