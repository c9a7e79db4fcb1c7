package podspec

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Child is an object that belongs to a deployment or a pool: what is there, once it
// is read, and what should be.
type Child struct {
	Live    client.Object
	Desired runtime.ApplyConfiguration
}

// Family is what the children of a component have in common.
type Family struct {
	Name, Namespace     string
	Instance, Component string
	Owner               *metav1ac.OwnerReferenceApplyConfiguration
}

// Meta names a live object before it is read.
func (f *Family) Meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: f.Name, Namespace: f.Namespace}
}

// Labels are those of each child.
func (f *Family) Labels() map[string]string { return Labels(f.Instance, f.Component) }

// Selector selects the pods.
func (f *Family) Selector() *metav1ac.LabelSelectorApplyConfiguration {
	return metav1ac.LabelSelector().WithMatchLabels(Selector(f.Instance, f.Component))
}

// Account is the pods' service account, without a token (invariant 6).
func (f *Family) Account() Child {
	return Child{&corev1.ServiceAccount{ObjectMeta: f.Meta()}, corev1ac.ServiceAccount(f.Name, f.Namespace).
		WithLabels(f.Labels()).WithOwnerReferences(f.Owner).
		WithAutomountServiceAccountToken(false)}
}

// Budget lets one pod at a time be evicted, and those that are not ready (docs/adr/0130).
func (f *Family) Budget() Child {
	return Child{&policyv1.PodDisruptionBudget{ObjectMeta: f.Meta()}, policyv1ac.PodDisruptionBudget(f.Name, f.Namespace).
		WithLabels(f.Labels()).WithOwnerReferences(f.Owner).
		WithSpec(policyv1ac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(f.Selector()))}
}

// Mirror copies an API value into the apply configuration with the same JSON form.
func Mirror(from, to any) {
	raw, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		panic(fmt.Sprintf("podspec: %T does not mirror %T: %v", to, from, err)) // a programming error
	}
}
