package pool

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

var poolKind = v1alpha1.GroupVersion.WithKind("ExpertPool")

// plainChildren are those that only depend on the pool's name.
func (v *view) plainChildren(a *apply.Applier) []podspec.Child {
	f := v.family(a)
	return []podspec.Child{
		f.Account(),
		{Live: &corev1.Service{ObjectMeta: f.Meta()}, Desired: v.service(f)},
		f.Budget(),
	}
}

func (v *view) family(a *apply.Applier) *podspec.Family {
	return &podspec.Family{Name: podspec.ExpertsName(v.pool.Name), Namespace: v.pool.Namespace,
		Instance: v.pool.Name, Component: podspec.ExpertNode, Owner: a.OwnerReference(poolKind)}
}

// service gives each node its DNS name, also before it is ready: routers connect
// while it loads.
func (v *view) service(f *podspec.Family) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(f.Name, f.Namespace).WithLabels(f.Labels()).WithOwnerReferences(f.Owner).WithSpec(corev1ac.ServiceSpec().
		WithClusterIP(corev1.ClusterIPNone).
		WithPublishNotReadyAddresses(true).
		WithSelector(podspec.Selector(v.pool.Name, podspec.ExpertNode)).
		WithPorts(servicePort("grpc", podspec.PortControl), servicePort("http", podspec.PortExpertHTTP)))
}

func servicePort(name string, port int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().WithName(name).WithPort(port).WithProtocol(corev1.ProtocolTCP).
		WithTargetPort(intstr.FromString(name))
}

// statefulSet runs the nodes. Parallel: nodes do not wait for each other's
// experts. Updates go one at a time, and only on to the next when the pod is back
// with its experts.
func (v *view) statefulSet(a *apply.Applier) *appsv1ac.StatefulSetApplyConfiguration {
	f := v.family(a)
	return appsv1ac.StatefulSet(f.Name, f.Namespace).
		WithLabels(f.Labels()).
		WithOwnerReferences(f.Owner).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(int32(v.decision.Nodes)). //nolint:gosec // at most 256
			WithServiceName(f.Name).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.RollingUpdateStatefulSetStrategyType)).
			WithSelector(f.Selector()).
			WithTemplate(v.template()))
}

func (v *view) template() *corev1ac.PodTemplateSpecApplyConfiguration {
	p := podspec.Pod{
		Instance:  v.pool.Name,
		Component: podspec.ExpertNode,
		Args:      []string{"expert-node", podspec.Listen("listen", podspec.PortControl), podspec.Listen("http", podspec.PortExpertHTTP)},
		Ports: []*corev1ac.ContainerPortApplyConfiguration{
			podspec.ContainerPort("grpc", podspec.PortControl), podspec.ContainerPort("http", podspec.PortExpertHTTP),
		},
		ProbePort: podspec.PortExpertHTTP,
		Account:   podspec.ExpertsName(v.pool.Name),
		Model:     v.pool.Spec.Model,
		Image:     v.pool.Spec.ImageSettings,
		Settings:  v.pool.Spec.Experts.PodSettings,
	}
	return p.Template()
}
