// Package config tests the packaging: kustomize and the Helm chart.
package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/controllers"
)

// tool is a program that hack/verify-packaging.sh names in the environment.
func tool(t *testing.T, variable string) string {
	t.Helper()
	name := os.Getenv(variable)
	if name == "" {
		t.Skipf("%s is not set: run hack/verify-packaging.sh, which builds helm and kubectl", variable)
	}
	return name
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said.String())
	}
	return string(out)
}

// onlyHelm are labels that tell which tool installed an object.
var onlyHelm = []string{"helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"}

// objects reads a stream of manifests by kind and name. A key that is twice in a map is an error.
// The labels of onlyHelm, the labels of CRDs (Helm adds none) and the Namespace (helm
// --create-namespace makes it) are not compared.
func objects(t *testing.T, manifests string) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for doc := range strings.SplitSeq("\n"+manifests, "\n---\n") {
		var o map[string]any
		if err := yaml.UnmarshalStrict([]byte(doc), &o); err != nil {
			t.Fatal(err)
		}
		if o == nil || o["kind"] == "Namespace" {
			continue
		}
		meta := o["metadata"].(map[string]any)
		labels, _ := meta["labels"].(map[string]any)
		for _, key := range onlyHelm {
			delete(labels, key)
		}
		if o["kind"] == "CustomResourceDefinition" {
			delete(meta, "labels")
		}
		key := o["kind"].(string) + " " + meta["name"].(string)
		if out[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		out[key] = o
	}
	return out
}

// TestChartAndKustomizeAgree: both ways of installing give the same objects.
func TestChartAndKustomizeAgree(t *testing.T) {
	chart := objects(t, output(t, tool(t, "HELM"), "template", "olmoe-operator", "../charts/olmoe-operator",
		"--namespace", "olmoe-system", "--include-crds", "--set", "monitoring.enabled=true"))
	kubectl := tool(t, "KUBECTL")
	kustomize := objects(t, output(t, kubectl, "kustomize", "default")+"\n---\n"+output(t, kubectl, "kustomize", "monitoring"))
	if len(chart) < 18 {
		t.Errorf("the chart renders %d objects, want at least 18", len(chart))
	}
	for key, want := range kustomize {
		if got := chart[key]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s differs:\nchart:     %v\nkustomize: %v", key, got, want)
		}
		delete(chart, key)
	}
	for key := range chart {
		t.Errorf("%s is only in the chart", key)
	}
}

// TestChartValues: wrong values are refused, and rights can be limited.
func TestChartValues(t *testing.T) {
	helm := tool(t, "HELM")
	for bad, says := range map[string]string{
		"foo=1": "foo", "replicas=0": "/replicas", "logLevel=loud": "/logLevel", "image.pullPolicy=Sometimes": "/image/pullPolicy",
		"image.repository=": "/image/repository", "image.repository=x.example/olmoe:v1": "/image/repository", "image.repository=olmoe@sha256:1": "/image/repository",
		"image.tag=v1+2": "/image/tag", "image.tag=:v1": "/image/tag", "image.digest=sha256:1": "/image/digest", "watchNamespaces={A}": "/watchNamespaces/0",
		"logLevel=null": "'logLevel'", "image=null": "'image'", "userRoles=null": "'userRoles'", // null takes a default away
		`podLabels.app\.kubernetes\.io/name=x`: "/podLabels", `podLabels.app\.kubernetes\.io/component=x`: "/podLabels",
	} {
		out, err := exec.CommandContext(t.Context(), helm, "template", "x", "../charts/olmoe-operator", "--set", bad).CombinedOutput()
		if _, refusal, _ := strings.Cut(string(out), "schema"); err == nil || !strings.Contains(refusal, says) {
			t.Errorf("--set %s is not refused by the schema at %s:\n%s", bad, says, out)
		}
	}
	for _, registry := range []string{"", "localhost:5000/", "10.0.0.1/a/", "[fd00::1]:5000/"} {
		if out := output(t, helm, "template", "x", "../charts/olmoe-operator", "--set", "image.repository="+registry+"olmoe", "--set", "image.tag=v1"); !strings.Contains(out, `image: "`+registry+`olmoe:v1"`) {
			t.Errorf("repository %solmoe is not the operator's image", registry)
		}
	}
	limited := objects(t, output(t, helm, "template", "x", "../charts/olmoe-operator", "--set", "watchNamespaces={a}", "--set", "userRoles=false"))
	if limited["ClusterRoleBinding x-olmoe-operator-manager"] != nil || limited["RoleBinding x-olmoe-operator-manager"] == nil {
		t.Error("with watchNamespaces the operator must have rights in those namespaces only")
	}
	if limited["ClusterRole x-olmoe-operator-edit"] != nil {
		t.Error("userRoles=false renders the users' roles")
	}
	for release, lease := range map[string]string{"olmoe-operator": controllers.LeaseName, "x": "x-olmoe-operator.serving.olmoe.dev"} {
		if out := output(t, helm, "template", release, "../charts/olmoe-operator"); !strings.Contains(out, "--leader-election-id="+lease+"\n") {
			t.Errorf("release %s has not the Lease %s", release, lease)
		} else {
			ownLease(t, leaderElection(t, out), lease)
		}
	}
	pinned := output(t, helm, "template", "x", "../charts/olmoe-operator", "--set", "image.digest=sha256:"+strings.Repeat("a", 64))
	if n := strings.Count(pinned, "olmoe@sha256:aaaa"); n != 1 {
		t.Errorf("the digest is in %d places, want the operator's image alone", n)
	}
	own, _ := yaml.Marshal(limited["Role x-olmoe-operator-leader-election"]["rules"])
	if want := "- pods\n  verbs:\n  - get\n"; !strings.Contains(string(own), want) {
		t.Errorf("in its own namespace the operator may not get its own pod:\n%s", own)
	}
}

// TestMetricsCertificate: with a Secret the operator shows its certificate, and Prometheus gives
// its token to nobody who has another.
func TestMetricsCertificate(t *testing.T) {
	out := objects(t, output(t, tool(t, "HELM"), "template", "x", "../charts/olmoe-operator", "--namespace", "n",
		"--set", "monitoring.enabled=true,metrics.certSecret=cert"))
	for key, wants := range map[string][]string{
		"Deployment x-olmoe-operator-manager": {
			"- --metrics-cert-dir=/etc/olmoe/metrics\n", "- mountPath: /etc/olmoe/metrics\n", "secretName: cert\n",
		},
		"ServiceMonitor x-olmoe-operator-operator": {
			"ca:\n        secret:\n          key: ca.crt\n          name: cert\n      serverName: x-olmoe-operator-metrics.n.svc\n",
		},
	} {
		text, _ := yaml.Marshal(out[key])
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q:\n%s", key, want, text)
			}
		}
		if strings.Contains(string(text), "insecureSkipVerify") {
			t.Errorf("%s believes any certificate", key)
		}
	}
	if out["Service x-olmoe-operator-metrics"] == nil {
		t.Error("there is no Service of the name that the certificate is for")
	}
}

// TestLabelsForPrometheus: labels that select monitors and the dashboard may be any, also such as
// the chart's own, which then are there once.
func TestLabelsForPrometheus(t *testing.T) {
	own := []string{"name", "instance", "component"}
	args := []string{"template", "x", "../charts/olmoe-operator", "--set", "monitoring.enabled=true"}
	for _, key := range own {
		for _, value := range []string{"labels", "dashboardLabels"} {
			args = append(args, "--set", "monitoring."+value+`.app\.kubernetes\.io/`+key+"=mine")
		}
	}
	out := objects(t, output(t, tool(t, "HELM"), args...))
	for _, object := range []string{
		"PodMonitor x-olmoe-operator-pods", "ServiceMonitor x-olmoe-operator-operator",
		"PrometheusRule x-olmoe-operator-alerts", "ConfigMap x-olmoe-operator-dashboard",
	} {
		labels := out[object]["metadata"].(map[string]any)["labels"].(map[string]any)
		for _, key := range own {
			if got := labels["app.kubernetes.io/"+key]; got != "mine" {
				t.Errorf("%s: label %s is %v", object, key, got)
			}
		}
	}
}

// leaderElection are the rules of the Role in the operator's own namespace.
func leaderElection(t *testing.T, manifests string) []rbacv1.PolicyRule {
	t.Helper()
	for key, o := range objects(t, manifests) {
		if strings.HasPrefix(key, "Role ") {
			var role rbacv1.Role
			raw, err := yaml.Marshal(o)
			if err == nil {
				err = yaml.UnmarshalStrict(raw, &role)
			}
			if err != nil {
				t.Fatal(err)
			}
			return role.Rules
		}
	}
	return nil
}

// TestSubchart: a chart that depends on this one may switch it on by a condition.
func TestSubchart(t *testing.T) {
	helm, dir := tool(t, "HELM"), t.TempDir()
	chart, err := filepath.Abs("../charts/olmoe-operator")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: umbrella\nversion: 0.1.0\ndependencies:\n" +
			"- {name: olmoe-operator, version: '*', condition: olmoe-operator.enabled}\n",
		"values.yaml": "global: {team: nlp}\nolmoe-operator: {enabled: true}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "charts", "olmoe-operator"), os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	if n := len(objects(t, output(t, helm, "template", "x", dir))); n == 0 {
		t.Error("enabled, it renders nothing")
	}
	if n := len(objects(t, output(t, helm, "template", "x", dir, "--set", "olmoe-operator.enabled=false"))); n != 0 {
		t.Errorf("not enabled, it renders %d objects", n)
	}
}

// TestOverlay: an overlay sets the image as overlays do, and nothing of the base's is left, which
// is what pods of new OLMoEDeployments would run.
func TestOverlay(t *testing.T) {
	dir := t.TempDir() // with a copy of the base, because kustomize takes no absolute paths
	if err := os.CopyFS(filepath.Join(dir, "config"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	overlay := "resources: [config/default]\nimages:\n- {name: ghcr.io/olmoe-serving/olmoe, newName: registry.example.com/mine, newTag: v9}\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(overlay), 0o600); err != nil {
		t.Fatal(err)
	}
	out := output(t, tool(t, "KUBECTL"), "kustomize", dir)
	if strings.Contains(out, "ghcr.io/olmoe-serving/olmoe") || strings.Count(out, "registry.example.com/mine:v9") != 1 {
		t.Errorf("the overlay gives\n%s", out)
	}
}

// TestKubernetesVersion: the documentation names the version that the chart asks for.
func TestKubernetesVersion(t *testing.T) {
	var chart struct {
		KubeVersion string `json:"kubeVersion"`
	}
	raw, err := os.ReadFile("../charts/olmoe-operator/Chart.yaml")
	if err == nil {
		err = yaml.Unmarshal(raw, &chart)
	}
	if err != nil {
		t.Fatal(err)
	}
	install, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSuffix(strings.TrimPrefix(chart.KubeVersion, ">="), ".0-0")
	if want := "Kubernetes " + version + " or newer"; !strings.Contains(string(install), want) {
		t.Errorf("docs/install.md does not say %q, as kubeVersion %s of the chart does", want, chart.KubeVersion)
	}
}
