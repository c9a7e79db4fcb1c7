package pool

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

// TestGolden: the objects as they are applied. A change of the pod template
// restarts every user's expert nodes on an upgrade (invariant 7);
// OLMOE_UPDATE_GOLDEN=1 writes the file anew.
func TestGolden(t *testing.T) {
	v := testView()
	v.pool.UID = "u"
	v.pool.Spec.Model = v1alpha1.Model{Source: "pvc://models/olmoe", Weights: v1alpha1.WeightsBF16}
	v.pool.Spec.ImageSettings = v1alpha1.ImageSettings{Image: "olmoe:v1", ImagePullPolicy: corev1.PullIfNotPresent}
	v.set.Name, v.set.Namespace = "demo-experts", "ns"
	v.decision = rollout.Decision{Nodes: 3}
	a := &apply.Applier{Owner: v.pool}
	objects := []any{v.statefulSet(a)}
	for _, c := range v.plainChildren(a) {
		objects = append(objects, c.desired)
	}
	var all strings.Builder
	for _, o := range objects {
		raw, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n" + string(raw))
	}
	file := filepath.Join("testdata", "objects.yaml")
	if os.Getenv("OLMOE_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(all.String()), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("the objects have changed:\n%s", all.String())
	}
}
