package deployment

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

func ptr(n int32) *int32 { return &n }

func testView() *view {
	d := &v1alpha1.OLMoEDeployment{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "ns", UID: "u"}}
	d.Spec.Model = v1alpha1.Model{Source: "file:///models/demo", Weights: v1alpha1.WeightsBF16}
	d.Spec.Routers.Replicas = ptr(2)
	d.Spec.Experts.ReplicasPerExpert = ptr(1)
	d.Spec.Service = v1alpha1.ServiceSettings{Type: corev1.ServiceTypeClusterIP, Port: 80}
	d.Spec.ImagePullPolicy = corev1.PullIfNotPresent
	return &view{deployment: d, image: "olmoe:v1"}
}

// applied are the managedFields of what the operator has applied.
func applied(fields string) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{Manager: apply.Manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)}}
}

// TestResolveImage: what the operator wrote into the pool goes before what the status says,
// and what somebody else wrote there, or a restore left there, after it.
func TestResolveImage(t *testing.T) {
	ours := applied(`{"f:spec": {"f:image": {}}}`)
	cases := []struct {
		spec, pool, status string
		fields             []metav1.ManagedFieldsEntry
		want               string
	}{
		{"", "", "", nil, "own"}, {"", "", "old", nil, "old"}, {"", "running", "old", ours, "running"}, {"asked", "running", "old", ours, "asked"},
		{"", "somebody's", "old", applied(`{"f:spec": {"f:replicas": {}}}`), "old"}, {"", "restored", "", nil, "restored"},
	}
	for _, c := range cases {
		d, pool := &v1alpha1.OLMoEDeployment{}, &v1alpha1.ExpertPool{}
		d.Spec.Image, d.Status.Image, pool.Spec.Image, pool.ManagedFields = c.spec, c.status, c.pool, c.fields
		if got := resolveImage(d, pool, "own"); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestNodes(t *testing.T) {
	ours := applied(`{"f:spec": {"f:replicas": {}}}`)
	cases := []struct {
		name   string
		nodes  *int32
		copies int32
		uid    string
		fields []metav1.ManagedFieldsEntry
		first  int32
		want   *int32
	}{
		{"new, default", nil, 1, "", nil, 2, nil},
		{"new, replicas ask for more", nil, 5, "", nil, 5, nil},
		{"new, given", ptr(1), 1, "", nil, 1, nil},
		{"there, given", ptr(4), 1, "u", nil, 4, ptr(4)},
		{"there, not given", nil, 1, "u", nil, 2, nil},
		{"there, to be handed over", nil, 1, "u", ours, 2, ptr(7)},
	}
	for _, c := range cases {
		v := testView()
		v.deployment.Spec.ExpertNodes, v.deployment.Spec.Experts.ReplicasPerExpert = c.nodes, &c.copies
		v.pool.UID, v.pool.ManagedFields, v.pool.Spec.Replicas = "", c.fields, ptr(7)
		if c.uid != "" {
			v.pool.UID = "u"
		}
		if got := v.firstNodes(); got != c.first {
			t.Errorf("%s: a new pool gets %d nodes, want %d", c.name, got, c.first)
		}
		got := v.nodes()
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: nodes to apply: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFirstNodesOfAScaledPool: a new pool begins within the range that it is scaled in.
func TestFirstNodesOfAScaledPool(t *testing.T) {
	for _, c := range []struct{ lowest, highest, want int32 }{{1, 9, 2}, {4, 9, 4}, {1, 1, 1}} {
		v := testView()
		v.deployment.Spec.Scaling = &v1alpha1.ScalingSettings{Min: c.lowest, Max: c.highest}
		if got := v.firstNodes(); got != c.want {
			t.Errorf("scaled from %d to %d: a new pool gets %d nodes, want %d", c.lowest, c.highest, got, c.want)
		}
	}
}

// TestRoutersLeftToOthers: a Deployment whose number others decide is applied at the version
// that was looked at, for in a later one the number may be ours, and would go back to 1.
func TestRoutersLeftToOthers(t *testing.T) {
	v := testView()
	v.routers.UID, v.routers.ResourceVersion = "r", "42"
	f := v.family(&apply.Applier{Owner: v.deployment})
	if d := v.routerDeployment(f); *d.Spec.Replicas != 2 || d.ResourceVersion != nil {
		t.Errorf("given: %d routers at version %v", *d.Spec.Replicas, d.ResourceVersion)
	}
	v.deployment.Spec.Routers.Replicas = nil
	if d := v.routerDeployment(f); d.Spec.Replicas != nil || *d.ResourceVersion != "42" {
		t.Errorf("left out: %v routers at version %v", d.Spec.Replicas, d.ResourceVersion)
	}
	v.routers.UID = ""
	if d := v.routerDeployment(f); d.Spec.Replicas != nil || d.ResourceVersion != nil {
		t.Errorf("new: %v routers at version %v", d.Spec.Replicas, d.ResourceVersion)
	}
}

func TestEndpoint(t *testing.T) {
	v := testView()
	if got := v.endpoint(); got != "http://demo-router.ns.svc" {
		t.Error(got)
	}
	v.deployment.Spec.Service.Port = 8080
	if got := v.endpoint(); got != "http://demo-router.ns.svc:8080" {
		t.Error(got)
	}
}

// TestRouterArgs: only flags of settings that the spec gives.
func TestRouterArgs(t *testing.T) {
	v := testView()
	plain := strings.Join(v.routerArgs(), " ")
	if !strings.Contains(plain, "--served-model-name=demo") || strings.Contains(plain, "--max-") || strings.Contains(plain, "--kv-") {
		t.Error(plain)
	}
	r := &v.deployment.Spec.Routers
	r.ServedModelName, r.MaxQueue, r.MaxSequences, r.MaxStepTokens, r.KVCacheMB = "olmoe", ptr(1), ptr(2), ptr(4), ptr(3)
	r.MaxQueueWaitSeconds, r.KVCacheType = ptr(5), "bf16"
	never := false
	r.PrefixCache = &never
	if got := strings.Join(v.routerArgs(), " "); !strings.HasSuffix(got, "--max-sequences=2 --max-queue=1 --max-queue-wait=5s --max-step-tokens=4 --kv-cache-mb=3 --kv-cache-type=bf16 --prefix-cache=false") || !strings.Contains(got, "=olmoe") {
		t.Error(got)
	}
}

// TestRouterSettings: what the spec says of the routers' pods is in their template.
func TestRouterSettings(t *testing.T) {
	v := testView()
	v.deployment.Spec.Routers.TerminationGracePeriodSeconds = ptr(1800)
	v.deployment.Spec.Routers.APIKeySecret = &v1alpha1.SecretKey{Name: "api", Key: "key"}
	s := v.template().Spec
	env := s.Containers[0].Env
	if last := env[len(env)-1]; *last.Name != "OLMOE_API_KEY" || last.Value != nil || *last.ValueFrom.SecretKeyRef.Name != "api" || *last.ValueFrom.SecretKeyRef.Key != "key" {
		t.Errorf("environment %+v lacks the key, by reference", env)
	}
	if *s.TerminationGracePeriodSeconds != 1800 {
		t.Errorf("grace period %d s, want that of the spec", *s.TerminationGracePeriodSeconds)
	}
}

// TestGolden: the objects as they are applied. A change of the pod template
// restarts every user's routers on an upgrade (invariant 7): run with -update
// only if the objects have to change.
func TestGolden(t *testing.T) {
	v := testView()
	a := &apply.Applier{Owner: v.deployment}
	var all strings.Builder
	objects := []any{v.expertPool(a), v.poolNumber(3)}
	f := v.family(a)
	for _, c := range v.children(f) {
		objects = append(objects, c.Desired)
	}
	objects = append(objects, v.routerDeployment(f))
	for _, o := range objects {
		raw, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("---\n" + string(raw))
	}
	goldentest.Recorded(t, "testdata/objects.yaml", all.String())
}

// Names reach the program as they are given: the kubelet makes $$ to $, and expands no $$(NAME).
func TestNamesAreNotExpanded(t *testing.T) {
	for name, want := range map[string]string{"olmoe": "olmoe", "$(POD_NAME)": "$$(POD_NAME)", "a$$b": "a$$$$b"} {
		v := testView()
		v.deployment.Spec.Routers.ServedModelName = name
		if args := v.routerArgs(); !slices.Contains(args, "--served-model-name="+want) {
			t.Errorf("%s: %q", name, args)
		}
		v.deployment.Spec.Routers.ServedModelName, v.deployment.Spec.Model.Source = "", v1alpha1.ModelSource("file:///models/"+name)
		if args := v.routerArgs(); !slices.Contains(args, "--served-model-name="+want) {
			t.Errorf("directory %s: %q", name, args)
		}
	}
}
