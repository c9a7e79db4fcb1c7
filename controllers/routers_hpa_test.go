package controllers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

// documentedRouters are the manifests of docs/scaling.md, in its section on routers, of a kind.
func documentedRouters(t *testing.T, kind string) (all []unstructured.Unstructured) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(kubetest.Root(), "docs", "scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Routers\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, part := range strings.Split(section, "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(block), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, block)
		}
		if o.GetKind() == kind {
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		t.Fatalf("docs/scaling.md has no %s for routers", kind)
	}
	return all
}

// TestDocumentedHPAsOfRouters: the API server takes the page's manifests, and what they scale and
// measure is there: the Deployment, without a number of ours, and a CPU request worth the name.
func TestDocumentedHPAsOfRouters(t *testing.T) {
	w := newWorld(t)
	o := documentedRouters(t, "OLMoEDeployment")[0]
	o.SetNamespace(w.ns)
	if err := w.Create(t.Context(), &o, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		t.Fatal(err)
	}
	w.untilReady()
	for _, c := range w.routers().Spec.Template.Spec.Containers {
		if c.Resources.Requests.Cpu().MilliValue() <= 100 { // what the operator asks for by itself
			t.Errorf("container %s requests %s of CPU: an HPA would find any work too much", c.Name, c.Resources.Requests.Cpu())
		}
	}
	kinds := map[autoscalingv2.MetricSourceType]bool{}
	for _, h := range documentedRouters(t, "HorizontalPodAutoscaler") {
		h.SetNamespace(w.ns)
		if err := w.Create(t.Context(), &h, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
			t.Error(err)
		}
		kinds[w.checkTarget(&h)] = true
	}
	if !kinds[autoscalingv2.ResourceMetricSourceType] || !kinds[autoscalingv2.PodsMetricSourceType] {
		t.Errorf("the page shows HPAs on %v, want one on CPU and one on the routers' own metric", kinds)
	}
}

// checkTarget does what an HPA does with its target: reads its scale, and writes it.
func (w *world) checkTarget(o *unstructured.Unstructured) autoscalingv2.MetricSourceType {
	w.Helper()
	var h autoscalingv2.HorizontalPodAutoscaler
	raw, err := yaml.Marshal(o.Object)
	if err == nil {
		err = yaml.UnmarshalStrict(raw, &h)
	}
	if err != nil {
		w.Fatal(err)
	}
	target := h.Spec.ScaleTargetRef
	if target.APIVersion != "apps/v1" || target.Kind != "Deployment" {
		w.Fatalf("%+v is not the routers' Deployment", target)
	}
	d := get(w, &appsv1.Deployment{}, target.Name)
	scale := &autoscalingv1.Scale{}
	if err := w.SubResource("scale").Get(w.Context(), d, scale); err != nil || scale.Status.Selector == "" {
		w.Errorf("%s: %v, %+v: want a selector of its pods", target.Name, err, scale.Status)
	}
	w.scaleRouters(*h.Spec.MinReplicas)
	w.untilRouters(*h.Spec.MinReplicas)
	return h.Spec.Metrics[0].Type
}
