package deployment

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	servingac "github.com/olmoe-serving/olmoe-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

var deploymentKind = v1alpha1.GroupVersion.WithKind("OLMoEDeployment")

// expertPool is the pool without its number of nodes.
func (v *view) expertPool(a *apply.Applier) *servingac.ExpertPoolApplyConfiguration {
	spec := &servingac.ExpertPoolSpecApplyConfiguration{}
	podspec.Mirror(map[string]any{"experts": v.deployment.Spec.Experts, "model": v.deployment.Spec.Model, "scaling": v.deployment.Spec.Scaling}, spec)
	podspec.Mirror(v.imageSettings(), spec)
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

// family is what the routers and what belongs to them have in common.
func (v *view) family(a *apply.Applier) *podspec.Family {
	return &podspec.Family{Name: podspec.RouterName(v.deployment.Name), Namespace: v.deployment.Namespace,
		Instance: v.deployment.Name, Component: podspec.Router, Owner: a.OwnerReference(deploymentKind)}
}

// children are what belongs to the routers.
func (v *view) children(f *podspec.Family) []podspec.Child {
	return []podspec.Child{
		f.Account(),
		{Live: &corev1.Service{ObjectMeta: f.Meta()}, Desired: v.service(f)},
		f.Budget(),
	}
}

func (v *view) service(f *podspec.Family) *corev1ac.ServiceApplyConfiguration {
	s := &v.deployment.Spec.Service
	return corev1ac.Service(f.Name, f.Namespace).
		WithLabels(f.Labels()).WithOwnerReferences(f.Owner).
		WithAnnotations(s.Annotations).
		WithSpec(corev1ac.ServiceSpec().
			WithType(s.Type).
			WithSelector(podspec.Selector(v.deployment.Name, podspec.Router)).
			WithPorts(corev1ac.ServicePort().WithName("http").WithPort(s.Port).WithProtocol(corev1.ProtocolTCP).
				WithTargetPort(intstr.FromString("http"))))
}

// routerDeployment never runs fewer ready routers than wanted: a new one is there
// before an old one drains. A number that the spec leaves out is left out here, which is
// right for the version that was looked at only: in a later one we may own it.
func (v *view) routerDeployment(f *podspec.Family) *appsv1ac.DeploymentApplyConfiguration {
	d := appsv1ac.Deployment(f.Name, f.Namespace).
		WithLabels(f.Labels()).WithOwnerReferences(f.Owner).
		WithSpec(appsv1ac.DeploymentSpec().
			WithStrategy(appsv1ac.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(appsv1ac.RollingUpdateDeployment().
					WithMaxUnavailable(intstr.FromInt32(0)).WithMaxSurge(intstr.FromInt32(1)))).
			WithSelector(f.Selector()).
			WithTemplate(v.template()))
	if n := v.deployment.Spec.Routers.Replicas; n != nil {
		d.Spec.WithReplicas(*n)
	} else if v.routers.UID != "" {
		d.WithResourceVersion(v.routers.ResourceVersion)
	}
	return d
}

// routerNumber is the number of routers alone, as it is.
func (v *view) routerNumber(f *podspec.Family) *appsv1ac.DeploymentApplyConfiguration {
	return appsv1ac.Deployment(f.Name, f.Namespace).WithSpec(appsv1ac.DeploymentSpec().WithReplicas(v.wantedRouters()))
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
