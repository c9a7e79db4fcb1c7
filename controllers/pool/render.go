package pool

import (
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
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

var poolKind = v1alpha1.GroupVersion.WithKind("ExpertPool")

type child struct {
	live    client.Object
	desired runtime.ApplyConfiguration
}

// plainChildren are those that only depend on the pool's name.
func (v *view) plainChildren(a *apply.Applier) []child {
	name, ns := podspec.ExpertsName(v.pool.Name), v.pool.Namespace
	meta := metav1.ObjectMeta{Name: name, Namespace: ns}
	labels, owner := podspec.Labels(v.pool.Name, podspec.ExpertNode), a.OwnerReference(poolKind)
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
	}
}

// service gives each node its DNS name, also before it is ready: routers connect
// while it loads.
func (v *view) service(name string) *corev1ac.ServiceApplyConfiguration {
	return corev1ac.Service(name, v.pool.Namespace).WithSpec(corev1ac.ServiceSpec().
		WithClusterIP(corev1.ClusterIPNone).
		WithPublishNotReadyAddresses(true).
		WithSelector(podspec.Selector(v.pool.Name, podspec.ExpertNode)).
		WithPorts(servicePort("grpc", podspec.PortControl), servicePort("http", podspec.PortExpertHTTP)))
}

func servicePort(name string, port int32) *corev1ac.ServicePortApplyConfiguration {
	return corev1ac.ServicePort().WithName(name).WithPort(port).WithProtocol(corev1.ProtocolTCP).
		WithTargetPort(intstr.FromString(name))
}

func (v *view) selector() *metav1ac.LabelSelectorApplyConfiguration {
	return metav1ac.LabelSelector().WithMatchLabels(podspec.Selector(v.pool.Name, podspec.ExpertNode))
}

// statefulSet runs the nodes. Parallel: nodes do not wait for each other's
// experts. Updates go one at a time, and only on to the next when the pod is back
// with its experts.
func (v *view) statefulSet(a *apply.Applier) *appsv1ac.StatefulSetApplyConfiguration {
	name := podspec.ExpertsName(v.pool.Name)
	return appsv1ac.StatefulSet(name, v.pool.Namespace).
		WithLabels(podspec.Labels(v.pool.Name, podspec.ExpertNode)).
		WithOwnerReferences(a.OwnerReference(poolKind)).
		WithSpec(appsv1ac.StatefulSetSpec().
			WithReplicas(int32(v.decision.Nodes)). //nolint:gosec // at most 256
			WithServiceName(name).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(appsv1ac.StatefulSetUpdateStrategy().WithType(appsv1.RollingUpdateStatefulSetStrategyType)).
			WithSelector(v.selector()).
			WithTemplate(v.template()))
}

func (v *view) template() *corev1ac.PodTemplateSpecApplyConfiguration {
	p := podspec.Pod{
		Instance:  v.pool.Name,
		Component: podspec.ExpertNode,
		Args:      []string{"expert-node", "--listen=:7070", "--http=:7071"},
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
