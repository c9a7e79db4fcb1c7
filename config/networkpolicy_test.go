package config

import (
	"maps"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
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
			if want == podspec.PortControl && !selectsOperatorAlone(t, last) {
				t.Errorf("%s: port %d is not the operator's alone: %+v", p.Name, want, last)
			}
		}
		delete(ports, component)
	}
	if len(ports) > 0 {
		t.Errorf("no policy for %v", ports)
	}
}

// selectsOperatorAlone says whether a peer is the operator's pod, and no other of its namespace.
func selectsOperatorAlone(t *testing.T, peer networkingv1.NetworkPolicyPeer) bool {
	t.Helper()
	var operator appsv1.Deployment
	read(t, "manager/manager.yaml", &operator)
	var added struct {
		Namespace string
		Labels    []struct{ Pairs map[string]string }
	}
	raw, err := os.ReadFile("default/kustomization.yaml")
	if err == nil {
		err = yaml.Unmarshal(raw, &added)
	}
	if err != nil {
		t.Fatal(err)
	}
	pod, other := operator.Spec.Template.Labels, map[string]string{"app.kubernetes.io/component": "manager"}
	maps.Copy(pod, added.Labels[0].Pairs)
	if peer.NamespaceSelector == nil || peer.PodSelector == nil {
		return false
	}
	selector, of := labels.SelectorFromSet(peer.PodSelector.MatchLabels), peer.NamespaceSelector.MatchLabels
	return of["kubernetes.io/metadata.name"] == added.Namespace && selector.Matches(labels.Set(pod)) && !selector.Matches(labels.Set(other))
}
