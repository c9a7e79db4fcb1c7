package deployment

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyv1ac "k8s.io/client-go/applyconfigurations/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	servingac "github.com/olmoe-serving/olmoe-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

var deploymentKind = v1alpha1.GroupVersion.WithKind("OLMoEDeployment")

type child struct {
	live    client.Object
	desired runtime.ApplyConfiguration
}

// expertPool is the pool without its number of nodes.
func (v *view) expertPool(a *apply.Applier) *servingac.ExpertPoolApplyConfiguration {
	spec := &servingac.ExpertPoolSpecApplyConfiguration{}
	mirror(map[string]any{"experts": v.deployment.Spec.Experts, "model": v.deployment.Spec.Model, "scaling": v.deployment.Spec.Scaling}, spec)
	mirror(v.imageSettings(), spec)
	spec.RouterSelector = metav1ac.LabelSelector().WithMatchLabels(podspec.Selector(v.deployment.Name, podspec.Router))
	return servingac.ExpertPool(v.deployment.Name, v.deployment.Namespace).
		WithLabels(podspec.Labels(v.deployment.Name, podspec.ExpertNode)).
		WithOwnerReferences(a.OwnerReference(deploymentKind)).
		WithSpec(spec)
}

// poolNumber is the pool's number of nodes alone.
func (v *view) poolNumber(n int32) *servingac.ExpertPoolApplyConfiguration {
	return servingac.ExpertPool(v.deployment.Name, v.deployment.Namespace).
		WithSpec(servingac.ExpertPoolSpec().WithReplicas(n))
}

// mirror copies an API value into the apply configuration with the same JSON form.
func mirror(from, to any) {
	raw, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		panic(fmt.Sprintf("deployment: %T does not mirror %T: %v", to, from, err)) // a programming error
	}
}

// children are the routers and what belongs to them.
func (v *view) children(a *apply.Applier) []child {
	name, ns := podspec.RouterName(v.deployment.Name), v.deployment.Namespace
	meta := metav1.ObjectMeta{Name: name, Namespace: ns}
	labels, owner := podspec.Labels(v.deployment.Name, podspec.Router), a.OwnerReference(deploymentKind)
	v.routers.Name, v.routers.Namespace = name, ns
	return []child{
		{&corev1.ServiceAccount{ObjectMeta: meta}, corev1ac.ServiceAccount(name, ns).
			WithLabels(labels).WithOwnerReferences(owner).
			WithAutomountServiceAccountToken(false)},
		{&corev1.Service{ObjectMeta: meta}, v.service(name).WithLabels(labels).WithOwnerReferences(owner)},
		{&policyv1.PodDisruptionBudget{ObjectMeta: meta}, policyv1ac.PodDisruptionBudget(name, ns).
			WithLabels(labels).WithOwnerReferences(owner).
			WithSpec(policyv1ac.PodDisruptionBudgetSpec().
				WithMaxUnavailable(intstr.FromInt32(1)).
				WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow). // docs/adr/0130
				WithSelector(v.selector()))},
		{&v.routers, v.routerDeployment(name).WithLabels(labels).WithOwnerReferences(owner)},
	}
}

func (v *view) selector() *metav1ac.LabelSelectorApplyConfiguration {
	return metav1ac.LabelSelector().WithMatchLabels(podspec.Selector(v.deployment.Name, podspec.Router))
}

func (v *view) service(name string) *corev1ac.ServiceApplyConfiguration {
	s := &v.deployment.Spec.Service
	return corev1ac.Service(name, v.deployment.Namespace).
		WithAnnotations(s.Annotations).
		WithSpec(corev1ac.ServiceSpec().
			WithType(s.Type).
			WithSelector(podspec.Selector(v.deployment.Name, podspec.Router)).
			WithPorts(corev1ac.ServicePort().WithName("http").WithPort(s.Port).WithProtocol(corev1.ProtocolTCP).
				WithTargetPort(intstr.FromString("http"))))
}

// routerDeployment never runs fewer ready routers than wanted: a new one is there
// before an old one drains.
func (v *view) routerDeployment(name string) *appsv1ac.DeploymentApplyConfiguration {
	return appsv1ac.Deployment(name, v.deployment.Namespace).
		WithSpec(appsv1ac.DeploymentSpec().
			WithReplicas(*v.deployment.Spec.Routers.Replicas).
			WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
					WithMaxUnavailable(intstr.FromInt32(0)).WithMaxSurge(intstr.FromInt32(1)))).
			WithSelector(v.selector()).
			WithTemplate(v.template()))
}

func (v *view) template() *corev1ac.PodTemplateSpecApplyConfiguration {
	p := podspec.Pod{
		Instance:  v.deployment.Name,
		Component: podspec.Router,
		Args:      v.routerArgs(),
		Env:       v.routerEnv(),
		Ports: []*corev1ac.ContainerPortApplyConfiguration{
			podspec.ContainerPort("http", podspec.PortHTTP), podspec.ContainerPort("control", podspec.PortControl),
		},
		ProbePort: podspec.PortHTTP,
		Account:   podspec.RouterName(v.deployment.Name),
		Grace:     v.deployment.Spec.Routers.TerminationGracePeriodSeconds,
		Model:     v.deployment.Spec.Model,
		Image:     v.imageSettings(),
		Settings:  v.deployment.Spec.Routers.PodSettings,
	}
	return p.Template()
}
