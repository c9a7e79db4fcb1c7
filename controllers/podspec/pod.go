package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// DrainDelay is how long a terminating router serves on, for EndpointSlices and
// proxies to follow. Expert nodes have no such delay: they tell their routers.
const DrainDelay = "5s"

// Times of a pod's end, in seconds. The program stops by itself lastSeconds before the
// kubelet kills it, so that it can still tell clients why.
const (
	graceSeconds = 120 // unless the spec says more or less
	lastSeconds  = 10
)

// Pod is what the two roles differ in.
type Pod struct {
	Instance  string // deployment and pool
	Component string
	Args      []string                             // of the role; the common ones are added
	Env       []*corev1ac.EnvVarApplyConfiguration // likewise
	Ports     []*corev1ac.ContainerPortApplyConfiguration
	ProbePort int32
	Account   string // service account, without a token
	Grace     *int32 // seconds from SIGTERM to SIGKILL; nil = graceSeconds
	Model     v1alpha1.Model
	Image     v1alpha1.ImageSettings
	Settings  v1alpha1.PodSettings
}

// Template renders the pod template. It must not change from one version of the
// operator to the next unless the pods have to (invariant 7); the golden files in
// testdata keep watch.
func (p *Pod) Template() *corev1ac.PodTemplateSpecApplyConfiguration {
	t := corev1ac.PodTemplateSpec().
		WithLabels(merged(p.Settings.PodLabels, Labels(p.Instance, p.Component))).
		WithAnnotations(p.Settings.PodAnnotations)
	return t.WithSpec(p.spec())
}

func (p *Pod) spec() *corev1ac.PodSpecApplyConfiguration {
	s := corev1ac.PodSpec().
		WithServiceAccountName(p.Account).
		WithAutomountServiceAccountToken(false). // invariant 6
		WithEnableServiceLinks(false).
		WithShareProcessNamespace(true). // no SIGTERM is lost while a container starts (docs/adr/0125)
		WithTerminationGracePeriodSeconds(p.grace()).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(65532).WithRunAsGroup(65532).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithContainers(p.container()).
		WithVolumes(append([]*corev1ac.VolumeApplyConfiguration{p.modelVolume(), p.placementVolume()}, p.cacheVolumes()...)...).
		WithTopologySpreadConstraints(p.spread())
	for _, secret := range p.Image.ImagePullSecrets {
		s.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(string(secret.Name)))
	}
	return p.schedule(s)
}

// schedule adds the user's wishes of where the pods run.
func (p *Pod) schedule(s *corev1ac.PodSpecApplyConfiguration) *corev1ac.PodSpecApplyConfiguration {
	if len(p.Settings.NodeSelector) > 0 {
		s.WithNodeSelector(plainLabels(p.Settings.NodeSelector))
	}
	Mirror(p.Settings.Tolerations, &s.Tolerations)
	Mirror(p.Settings.Affinity, &s.Affinity)
	if p.Settings.PriorityClassName != "" {
		s.WithPriorityClassName(p.Settings.PriorityClassName)
	}
	return s
}

func (p *Pod) container() *corev1ac.ContainerApplyConfiguration {
	return corev1ac.Container().
		WithName(p.Component).
		WithImage(p.Image.Image).
		WithImagePullPolicy(p.Image.ImagePullPolicy).
		WithArgs(append(p.Args, p.commonArgs()...)...).
		WithEnv(corev1ac.EnvVar().WithName("POD_NAME").WithValueFrom(corev1ac.EnvVarSource().
			WithFieldRef(corev1ac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath("metadata.name")))).
		WithEnv(p.Env...).
		WithPorts(p.Ports...).
		WithResources(p.resources()).
		WithVolumeMounts(
			p.modelMount(),
			corev1ac.VolumeMount().WithName("placement").WithMountPath(placementDir).WithReadOnly(true)).
		WithVolumeMounts(p.cacheMounts()...).
		WithStartupProbe(p.probe("/health", 1, 120)).
		WithReadinessProbe(p.probe("/ready", 2, 3)).
		WithLivenessProbe(p.probe("/health", 10, 6)).
		WithTerminationMessagePath(terminationPath).
		WithTerminationMessagePolicy(corev1.TerminationMessageReadFile).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
}

func (p *Pod) commonArgs() []string {
	args := []string{
		"--model=" + modelPath,
		"--name=$(POD_NAME)",
		"--placement=" + placementPath,
		"--weights=" + string(p.Model.Weights),
		fmt.Sprintf("--drain-timeout=%ds", p.grace()-lastSeconds),
		"--termination-log=" + terminationPath,
	}
	return append(args, p.cacheArgs()...)
}

func (p *Pod) grace() int64 {
	if p.Grace == nil {
		return graceSeconds
	}
	return int64(*p.Grace)
}

// probe asks the program itself. 5 s is long for an answer from memory, but the
// CPUs may be busy with tokens.
func (p *Pod) probe(path string, period, failures int32) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromInt32(p.ProbePort))).
		WithPeriodSeconds(period).WithTimeoutSeconds(5).WithFailureThreshold(failures)
}

func (p *Pod) spread() *corev1ac.TopologySpreadConstraintApplyConfiguration {
	return corev1ac.TopologySpreadConstraint().
		WithMaxSkew(1).WithTopologyKey(corev1.LabelHostname).
		WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithLabelSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(p.Instance, p.Component)))
}

// defaultRequests are small enough for any machine; what a pod really needs
// depends on the model, which is known only once it runs, and requests that
// followed would restart it.
var defaultRequests = corev1.ResourceList{
	corev1.ResourceCPU:    resource.MustParse("100m"),
	corev1.ResourceMemory: resource.MustParse("256Mi"),
}

func (p *Pod) resources() *corev1ac.ResourceRequirementsApplyConfiguration {
	requests := corev1.ResourceList{}
	for name, q := range defaultRequests {
		if limit, ok := p.Settings.Resources.Limits[name]; ok && limit.Cmp(q) < 0 {
			q = limit
		}
		requests[name] = q
	}
	for name, q := range p.Settings.Resources.Requests {
		requests[name] = q
	}
	r := corev1ac.ResourceRequirements().WithRequests(rounded(requests))
	if len(p.Settings.Resources.Limits) > 0 {
		r.WithLimits(rounded(p.Settings.Resources.Limits))
	}
	return r
}

// rounded is what the API server makes of quantities: thousandths, rounded up.
func rounded(list corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range list {
		q = q.DeepCopy()
		q.RoundUp(resource.Milli)
		out[name] = q
	}
	return out
}

// ContainerPort is a named TCP port.
func ContainerPort(name string, port int32) *corev1ac.ContainerPortApplyConfiguration {
	return corev1ac.ContainerPort().WithName(name).WithContainerPort(port).WithProtocol(corev1.ProtocolTCP)
}
