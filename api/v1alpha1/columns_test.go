package v1alpha1_test

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// table asks the API server for a list as kubectl get does.
func table(t *testing.T, ns, resource string) *metav1.Table {
	t.Helper()
	cfg := rest.CopyConfig(kubetest.Config(t))
	cfg.APIPath, cfg.GroupVersion = "/apis", &v1alpha1.GroupVersion
	cfg.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	c, err := rest.RESTClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Get().Namespace(ns).Resource(resource).SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out metav1.Table
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestColumns: what kubectl get shows, without and with -o wide.
func TestColumns(t *testing.T) {
	c := kubetest.Client(t)
	ns := kubetest.Namespace(t, c)
	d := &v1alpha1.OLMoEDeployment{Spec: v1alpha1.OLMoEDeploymentSpec{Model: v1alpha1.Model{Source: "file:///m"}}}
	d.Name, d.Namespace = "demo", ns
	if err := c.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d.Status.Summary = v1alpha1.Summary{Routers: "1/1", ExpertNodes: "2/2", Experts: "1024/1024", Balancedness: "1.00"}
	d.Status.Endpoint = "http://demo-router"
	d.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "True", Reason: "AsWanted", LastTransitionTime: metav1.Now()}}
	if err := c.Status().Update(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	got := table(t, ns, "olmoedeployments")
	var narrow, wide []string
	for _, col := range got.ColumnDefinitions {
		if col.Priority == 0 {
			narrow = append(narrow, col.Name)
		} else {
			wide = append(wide, col.Name)
		}
	}
	if s := strings.Join(narrow, ","); s != "Name,Ready,Routers,Expert Nodes,Experts,Balancedness,Age" {
		t.Errorf("columns %s", s)
	}
	if s := strings.Join(wide, ","); s != "Reason,Endpoint" {
		t.Errorf("wide columns %s", s)
	}
	row, err := json.Marshal(append(got.Rows[0].Cells[:6], got.Rows[0].Cells[7:]...))
	if want := `["demo","True","1/1","2/2","1024/1024","1.00","AsWanted","http://demo-router"]`; err != nil || string(row) != want {
		t.Errorf("row %s, want %s", row, want)
	}
	if n := len(table(t, ns, "expertpools").ColumnDefinitions); n < 8 {
		t.Errorf("ExpertPool has %d columns", n)
	}
}

func TestShortName(t *testing.T) {
	c, err := discovery.NewDiscoveryClientForConfig(kubetest.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range list.APIResources {
		found[r.Name] = strings.Join(r.ShortNames, ",")
	}
	if found["olmoedeployments"] != "olmoe" {
		t.Errorf("short names %q, want olmoe", found["olmoedeployments"])
	}
	if _, ok := found["expertpools/scale"]; !ok {
		t.Error("ExpertPool has no /scale")
	}
	if _, ok := found["olmoedeployments/scale"]; ok {
		t.Error("OLMoEDeployment has /scale: an autoscaler would write what Git owns")
	}
}
