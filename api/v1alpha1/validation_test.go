package v1alpha1_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// object makes an OLMoEDeployment from the YAML of its spec.
func object(t *testing.T, kind, namespace, name, spec string) *unstructured.Unstructured {
	t.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(spec), &fields); err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// TestRefused: each spec can never work; the API server must say so, and what to do.
func TestRefused(t *testing.T) {
	const model = "model: {source: 'file:///models/olmoe'}\n"
	cases := []struct{ name, object, spec, want string }{
		{"no model", "demo", "expertNodes: 2", "spec.model: Required"},
		{"no source", "demo", "model: {}", "spec.model.source: Required"},
		{"empty source", "demo", "model: {source: ''}", "should be at least 1 chars"},
		{"remote source", "demo", "model: {source: 'https://example.org/m'}", "must be file:///absolute/path or pvc://claim"},
		{"bare path", "demo", "model: {source: /models/olmoe}", "must be file:///absolute/path or pvc://claim"},
		{"relative file", "demo", "model: {source: 'file://models/olmoe'}", "three slashes"},
		{"root of the machine", "demo", "model: {source: 'file:///'}", "three slashes"},
		{"root of the machine, with dots", "demo", "model: {source: 'file:///././'}", "not the root"},
		{"file with dots", "demo", "model: {source: 'file:///models/../etc'}", "must not contain '..'"},
		{"file with a NUL", "demo", `model: {source: "file:///models/\0olmoe"}`, "must not contain control characters"},
		{"claim with a tab", "demo", `model: {source: "pvc://claim/a\tb"}`, "must not contain control characters"},
		{"file with a line break", "demo", `model: {source: "file:///models/olmoe\n"}`, "must not contain control characters"},
		{"no claim", "demo", "model: {source: 'pvc://'}", "name of a PersistentVolumeClaim"},
		{"bad claim", "demo", "model: {source: 'pvc://Claim_1/m'}", "name of a PersistentVolumeClaim"},
		{"claim with dots", "demo", "model: {source: 'pvc://claim/../x'}", "must not contain '..'"},
		{"claim with two dots", "demo", "model: {source: 'pvc://a..b'}", "name of a PersistentVolumeClaim"},
		{"long claim", "demo", "model: {source: 'pvc://" + strings.Repeat("x", 254) + "'}", "name of a PersistentVolumeClaim"},
		{"claim with two slashes", "demo", "model: {source: 'pvc://claim//x'}", "name of a PersistentVolumeClaim"},
		{"long source", "demo", "model: {source: 'file:///" + strings.Repeat("x", 1100) + "'}", "1024"},
		{"unknown weights", "demo", "model: {source: 'file:///m', weights: fp4}", `Unsupported value: "fp4"`},
		{"too many replicas of an expert", "demo", model + "expertNodes: 2\nexperts: {replicasPerExpert: 3}", "raise expertNodes or lower replicasPerExpert"},
		{"replicas over the limit", "demo", model + "expertNodes: 100\nexperts: {replicasPerExpert: 17}", "less than or equal to 16"},
		{"no replica", "demo", model + "experts: {replicasPerExpert: 0}", "greater than or equal to 1"},
		{"no expert node", "demo", model + "expertNodes: 0", "greater than or equal to 1"},
		{"too many expert nodes", "demo", model + "expertNodes: 257", "less than or equal to 256"},
		{"no slots", "demo", model + "experts: {slotsPerNode: 0}", "greater than or equal to 1"},
		{"number and scaling", "demo", model + "expertNodes: 2\nscaling: {max: 4}", "not both"},
		{"scaling without a maximum", "demo", model + "scaling: {min: 2}", "spec.scaling.max: Required"},
		{"scaling upside down", "demo", model + "scaling: {min: 4, max: 2}", "scaling.min must not be above scaling.max"},
		{"scaling below the replicas", "demo", model + "scaling: {max: 4}\nexperts: {replicasPerExpert: 2}", "raise scaling.min or lower replicasPerExpert"},
		{"scaling target", "demo", model + "scaling: {max: 4, targetUtilizationPercent: 100}", "less than or equal to 95"},
		{"rebalancing mode", "demo", model + "experts: {rebalancing: {mode: Sometimes}}", "Unsupported value"},
		{"rebalancing window", "demo", model + "experts: {rebalancing: {windowSeconds: 300}}", "less than or equal to 120"},
		{"rebalancing off without quotes", "demo", model + "experts: {rebalancing: {mode: Off}}", `must be of type string: "boolean"`},
		{"rebalancing budget", "demo", model + "experts: {rebalancing: {maxBytesPerMinute: 0}}", `mode: "Off" stops rebalancing`},
		{"rebalancing budget below zero", "demo", model + "experts: {rebalancing: {maxBytesPerMinute: -1Gi}}", `mode: "Off" stops rebalancing`},
		{"restore at once", "demo", model + "experts: {restoreAfterSeconds: 0}", "greater than or equal to 1"},
		{"no router", "demo", model + "routers: {replicas: 0}", "greater than or equal to 1"},
		{"steps too small for the sequences", "demo", model + "routers: {maxSequences: 128, maxStepTokens: 127}", "raise maxStepTokens or lower maxSequences"},
		{"steps too small for the program's sequences", "demo", model + "routers: {maxStepTokens: 63}", "raise maxStepTokens or lower maxSequences"},
		{"steps too large", "demo", model + "routers: {maxStepTokens: 65537}", "less than or equal to 65536"},
		{"no wait in the queue", "demo", model + "routers: {maxQueueWaitSeconds: 0}", "greater than or equal to 1"},
		{"KV cache type", "demo", model + "routers: {kvCacheType: f16}", "Unsupported value"},
		{"KV cache type that is empty", "demo", model + "routers: {kvCacheType: ''}", "Unsupported value"},
		{"no time to drain", "demo", model + "routers: {terminationGracePeriodSeconds: 10}", "greater than or equal to 30"},
		{"negative cache", "demo", model + "experts: {weightsCacheLimit: -1Gi}", "0 keeps nothing"},
		{"secret without a key", "demo", model + "routers: {apiKeySecret: {name: api}}", "apiKeySecret.key: Required"},
		{"key that no secret has", "demo", model + "routers: {apiKeySecret: {name: api, key: 'a/b'}}", "should match"},
		{"port", "demo", model + "service: {port: 70000}", "less than or equal to 65535"},
		{"service type", "demo", model + "service: {type: ExternalName}", "Unsupported value"},
		{"pull policy", "demo", model + "imagePullPolicy: Sometimes", "Unsupported value"},
		{"empty image", "demo", model + "image: ''", "should be at least 1 chars"},
		{"router request over limit", "demo", model + "routers: {resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}", "raise the limit or lower the request"},
		{"expert request over limit", "demo", model + "experts: {resources: {requests: {cpu: 2}, limits: {cpu: 1500m}}}", "raise the limit or lower the request"},
		{"operator's labels", "demo", model + "experts: {podLabels: {app.kubernetes.io/name: mine}}", "choose other keys"},
		{"operator's own prefix", "demo", model + "routers: {podLabels: {serving.olmoe.dev/pool: mine}}", "choose other keys"},
		{"label value", "demo", model + "experts: {podLabels: {team: 'a b'}}", "should match"},
		{"long label value", "demo", model + "routers: {podLabels: {team: " + strings.Repeat("x", 64) + "}}", "63"},
		{"node selector", "demo", model + "experts: {nodeSelector: {disk: 'a b'}}", "should match"},
		{"toleration's operator", "demo", model + "experts: {tolerations: [{key: a, operator: Sometimes}]}", "Exists or Equal"},
		{"toleration with a value too many", "demo", model + "routers: {tolerations: [{key: a, operator: Exists, value: x}]}", "leave value out"},
		{"priority class", "demo", model + "experts: {priorityClassName: 'A B'}", "should match"},
		{"blank in the image", "demo", model + "image: ' olmoe'", "should match"},
		{"secret's name", "demo", model + "routers: {apiKeySecret: {name: 'A B', key: k}}", "should match"},
		{"pull secret's name", "demo", model + "imagePullSecrets: [{name: A_B}]", "should match"},
		{"secret's key of dots", "demo", model + "routers: {apiKeySecret: {name: api, key: '..'}}", "should match"},
		{"negative limit", "demo", model + "experts: {resources: {limits: {memory: -1Gi}}}", "must not be below 0"},
		{"negative request", "demo", model + "routers: {resources: {requests: {cpu: -1}}}", "must not be below 0"},
		{"resource without a maker", "demo", model + "experts: {resources: {limits: {gpu: 1}}}", "write nvidia.com/gpu"},
		{"long name", "a" + strings.Repeat("b", 40), model, "at most 40 characters"},
		{"name with dots", "my.demo", model, "must start with a letter"},
		{"name with digit first", "0demo", model, "must start with a letter"},
	}
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			err := c.Create(t.Context(), object(t, "OLMoEDeployment", ns, tc.object, tc.spec), client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("want a refusal with %q, got %v", tc.want, err)
			}
		})
	}
}

// TestRefusedPool: the number that an autoscaler writes is checked as well.
func TestRefusedPool(t *testing.T) {
	const rest = "model: {source: 'file:///m'}\nrouterSelector: {}\n"
	cases := []struct{ name, spec, want string }{
		{"fewer nodes than replicas", rest + "replicas: 1\nexperts: {replicasPerExpert: 2}", "ask for more replicas"},
		{"default nodes, more replicas", rest + "experts: {replicasPerExpert: 3}", "ask for more replicas"},
		{"no nodes", rest + "replicas: 0", "greater than or equal to 1"},
		{"no selector", "model: {source: 'file:///m'}", "routerSelector: Required"},
	}
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			err := c.Create(t.Context(), object(t, "ExpertPool", ns, "demo", tc.spec), client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("want a refusal with %q, got %v", tc.want, err)
			}
		})
	}
}

func TestAccepted(t *testing.T) {
	cases := map[string]string{
		"file":              "model: {source: 'file:///var/lib/olmoe/models/demo'}",
		"claim":             "model: {source: 'pvc://models'}",
		"claim, path":       "model: {source: 'pvc://models.v1/olmoe/0125'}",
		"dot":               "model: {source: 'file:///./models/./olmoe'}",
		"dots in names":     "model: {source: 'file:///models/olmoe..v1/..x'}",
		"equal":             "model: {source: 'file:///m'}\nexpertNodes: 3\nexperts: {replicasPerExpert: 3}",
		"autoscaled":        "model: {source: 'file:///m'}\nexperts: {replicasPerExpert: 3}",
		"scaling":           "model: {source: 'file:///m'}\nscaling: {max: 4}",
		"scaling, replicas": "model: {source: 'file:///m'}\nscaling: {min: 2, max: 4, targetUtilizationPercent: 60, targetQueueMilliseconds: 5}\nexperts: {replicasPerExpert: 2}",
		"rebalancing":       "model: {source: 'file:///m'}\nexperts: {rebalancing: {mode: 'Off'}}",
		"budget":            "model: {source: 'file:///m'}\nexperts: {rebalancing: {maxBytesPerMinute: 500M, minGainPercent: 3, windowSeconds: 30}}",
		"budget in bytes":   "model: {source: 'file:///m'}\nexperts: {rebalancing: {maxBytesPerMinute: 500000000}}",
		"pods": "model: {source: 'file:///m'}\nimage: 'r.example:5000/olmoe@sha256:00'\nimagePullSecrets: [{name: reg.cred-1}]\nrouters: {apiKeySecret: {name: a.b-c, key: .key_1.x}}\n" +
			"experts: {podLabels: {a: '', b: x_1.y}, nodeSelector: {disk: nvme}, priorityClassName: a.b, tolerations: [{operator: Exists}, {key: a, value: b}, {key: a, operator: Gt, value: '1'}]," +
			" resources: {limits: {cpu: 0, ephemeral-storage: 1Gi, hugepages-2Mi: 2Mi, example.com/gpu: 1}}}",
		"smallest steps":  "model: {source: 'file:///m'}\nrouters: {maxSequences: 128, maxStepTokens: 128}",
		"steps alone":     "model: {source: 'file:///m'}\nrouters: {maxStepTokens: 64}",
		"queue, KV cache": "model: {source: 'file:///m'}\nrouters: {maxQueueWaitSeconds: 30, kvCacheType: auto}",
		"request below the limit": "model: {source: 'file:///m'}\n" +
			"routers: {resources: {requests: {cpu: 1, memory: 900Mi}, limits: {cpu: 1500m, memory: 1Gi}}}",
	}
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	for name, spec := range cases {
		t.Run(name, func(t *testing.T) {
			if err := c.Create(t.Context(), object(t, "OLMoEDeployment", ns, "demo", spec), client.DryRunAll); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestModelSourceCannotChange(t *testing.T) {
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	o := object(t, "OLMoEDeployment", ns, "demo", "model: {source: 'file:///m1'}")
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedField(o.Object, "file:///m2", "spec", "model", "source"); err != nil {
		t.Fatal(err)
	}
	err := c.Update(t.Context(), o)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "create a second OLMoEDeployment") {
		t.Fatalf("want a refusal that says what to do, got %v", err)
	}
}

func TestDefaults(t *testing.T) {
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	o := object(t, "OLMoEDeployment", ns, "demo", "model: {source: 'file:///m'}")
	if err := c.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		path []string
		want any
	}{
		{[]string{"spec", "model", "weights"}, "bf16"},
		{[]string{"spec", "imagePullPolicy"}, "IfNotPresent"},
		{[]string{"spec", "routers", "replicas"}, nil},
		{[]string{"spec", "experts", "replicasPerExpert"}, int64(1)},
		{[]string{"spec", "service", "type"}, "ClusterIP"},
		{[]string{"spec", "service", "port"}, int64(80)},
		{[]string{"spec", "experts", "rebalancing", "mode"}, "Load"},
		{[]string{"spec", "experts", "rebalancing", "windowSeconds"}, int64(60)},
		{[]string{"spec", "experts", "rebalancing", "minGainPercent"}, int64(5)},
		{[]string{"spec", "experts", "rebalancing", "maxBytesPerMinute"}, "4Gi"},
		{[]string{"spec", "experts", "restoreAfterSeconds"}, int64(30)},
		{[]string{"spec", "scaling"}, nil},
		{[]string{"spec", "expertNodes"}, nil},
		{[]string{"spec", "image"}, nil},
	}
	for _, tc := range cases {
		got, _, err := unstructured.NestedFieldNoCopy(o.Object, tc.path...)
		if err != nil || got != tc.want {
			t.Errorf("%s = %v, %v; want %v", strings.Join(tc.path, "."), got, err, tc.want)
		}
	}
}

// TestSample: the sample is short and is accepted.
func TestSample(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(kubetest.Root(), "config", "samples", "olmoedeployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), "\n"); n > 12 {
		t.Errorf("the sample has %d lines, want at most 12", n)
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(raw, o); err != nil {
		t.Fatal(err)
	}
	c := kubetest.Client(t)
	o.SetNamespace(kubetest.Namespace(t, c))
	if err := c.Create(t.Context(), o); err != nil {
		t.Error(err)
	}
}
