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

// family is what all objects of the pool share.
func (w wanted) family(a *apply.Applier) *podspec.Family {
	return &podspec.Family{Name: podspec.ExpertsName(w.name), Namespace: w.namespace,
		Instance: w.name, Component: podspec.ExpertNode, Owner: a.OwnerReference(poolKind)}
}

// template of an expert node's pod.
func (w wanted) template() *corev1ac.PodTemplateSpecApplyConfiguration {
	p := podspec.Pod{
		Instance:  w.name,
		Component: podspec.ExpertNode,
		Args:      []string{"expert-node", podspec.Listen("listen", podspec.PortControl), podspec.Listen("http", podspec.PortExpertHTTP)},
		Ports: []*corev1ac.ContainerPortApplyConfiguration{
			podspec.ContainerPort("grpc", podspec.PortControl), podspec.ContainerPort("http", podspec.PortExpertHTTP),
		},
		ProbePort: podspec.PortExpertHTTP,
		Account:   podspec.ExpertsName(w.name),
		Model:     w.spec.Model,
		Image:     w.spec.ImageSettings,
		Settings:  w.spec.Experts.PodSettings,
	}
	return p.Template()
}

// plainChildren are those that only depend on the pool's name.
func plainChildren(f *podspec.Family) []podspec.Child {
	return []podspec.Child{
		f.Account(),
		{Live: &corev1.Service{ObjectMeta: f.Meta()}, Desired: service(f)},
		f.Budget(),
	}
}

// service gives each node its DNS name, also before it is ready: routers connect
// while it loads.
func service(f *podspec.Family) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(f.Name, f.Namespace).WithLabels(f.Labels()).WithOwnerReferences(f.Owner).WithSpec(corev1ac.ServiceSpec().
		WithClusterIP(corev1.ClusterIPNone).
		WithPublishNotReadyAddresses(true).
		WithSelector(podspec.Selector(f.Instance, f.Component)).
		WithPorts(servicePort("grpc", podspec.PortControl), servicePort("http", podspec.PortExpertHTTP)))
}

func servicePort(name string, port int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().WithName(name).WithPort(port).WithProtocol(corev1.ProtocolTCP).
		WithTargetPort(intstr.FromString(name))
}

// statefulSet runs so many nodes. Parallel: nodes do not wait for each other's
// experts. Updates go one at a time, and only on to the next when the pod is back
// with its experts.
func statefulSet(f *podspec.Family, nodes int, template *corev1ac.PodTemplateSpecApplyConfiguration) *appsv1ac.StatefulSetApplyConfiguration {
	return appsv1ac.StatefulSet(f.Name, f.Namespace).
		WithLabels(f.Labels()).
		WithOwnerReferences(f.Owner).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(int32(nodes)). //nolint:gosec // at most 256
			WithServiceName(f.Name).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.RollingUpdateStatefulSetStrategyType)).
			WithSelector(f.Selector()).
			WithTemplate(template))
}
