package config

import (
	"os"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// TestSampleNetworkPolicy: the sample selects the pods that the operator makes, and opens
// the ports that they have, the control port to the operator's namespace.
func TestSampleNetworkPolicy(t *testing.T) {
	raw, err := os.ReadFile("samples/networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string][]int{
		podspec.ExpertNode: {podspec.PortControl, podspec.PortExpertHTTP}, podspec.Router: {podspec.PortControl, podspec.PortHTTP},
	}
	for doc := range strings.SplitSeq(string(raw), "\n---\n") {
		var p networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(doc), &p); err != nil {
			t.Fatal(err)
		}
		component := p.Spec.PodSelector.MatchLabels["app.kubernetes.io/component"]
		if !labels.SelectorFromSet(p.Spec.PodSelector.MatchLabels).Matches(labels.Set(podspec.Labels("demo", component))) {
			t.Errorf("%s selects no pod", p.Name)
		}
		if ports[component] == nil {
			t.Errorf("%s is for component %q, of which there is none or a policy already", p.Name, component)
		}
		for i, want := range ports[component] {
			rule := p.Spec.Ingress[i]
			if got := rule.Ports[0].Port.IntValue(); got != want {
				t.Errorf("%s: rule %d opens %d, want %d", p.Name, i, got, want)
			}
			last := rule.From[len(rule.From)-1]
			if want == podspec.PortControl && last.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "olmoe-system" {
				t.Errorf("%s: the operator cannot reach port %d", p.Name, want)
			}
		}
		delete(ports, component)
	}
	if len(ports) > 0 {
		t.Errorf("no policy for %v", ports)
	}
}
