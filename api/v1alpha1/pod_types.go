package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Resources are the requests and limits of a container.
// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",message="a resource request must not be above its limit: raise the limit or lower the request"
// +kubebuilder:validation:XValidation:rule="(!has(self.requests) || self.requests.all(k, !quantity(string(self.requests[k])).isLessThan(quantity('0')))) && (!has(self.limits) || self.limits.all(k, !quantity(string(self.limits[k])).isLessThan(quantity('0'))))",message="resources must not be below 0"
// +kubebuilder:validation:XValidation:rule="(!has(self.requests) || self.requests.all(k, k.contains('/') || k.startsWith('hugepages-') || k in ['cpu', 'memory', 'ephemeral-storage'])) && (!has(self.limits) || self.limits.all(k, k.contains('/') || k.startsWith('hugepages-') || k in ['cpu', 'memory', 'ephemeral-storage']))",message="resources are cpu, memory, ephemeral-storage, hugepages-SIZE, or have the name of their maker: write nvidia.com/gpu, not gpu"
type Resources struct {
	// requests are what the scheduler reserves. What is not given here gets the
	// operator's default (100m CPU, 256Mi memory), or the limit where that is
	// lower. Give memory by the model: a pod works best with all of its weights
	// in memory (see docs/reference).
	// +optional
	// +kubebuilder:validation:MaxProperties=6
	Requests corev1.ResourceList `json:"requests,omitempty"`
	// limits are what the container cannot exceed. None by default.
	// +optional
	// +kubebuilder:validation:MaxProperties=6
	Limits corev1.ResourceList `json:"limits,omitempty"`
}

// LabelValue is the value of a label.
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// PodSettings are the parts of a pod that its owner may choose.
type PodSettings struct {
	// resources of the container.
	// +optional
	Resources Resources `json:"resources,omitzero"`
	// nodeSelector limits the machines that may run the pods.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]LabelValue `json:"nodeSelector,omitempty"`
	// tolerations let the pods run on tainted machines.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.operator) || t.operator.size() == 0 || t.operator in ['Exists', 'Equal', 'Lt', 'Gt'])",message="the operator of a toleration is Exists or Equal (Lt or Gt where the cluster knows them)"
	// +kubebuilder:validation:XValidation:rule="self.all(t, !has(t.operator) || t.operator != 'Exists' || !has(t.value) || t.value.size() == 0)",message="a toleration with operator Exists has no value: leave value out, or write operator: Equal"
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// affinity of the pods. Beside it, pods of a kind are always spread over machines
	// where possible.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// priorityClassName of the pods.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$`
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// podLabels are added to the pods. Labels of the operator's own win.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('serving.olmoe.dev/') && !(k in ['app.kubernetes.io/name','app.kubernetes.io/instance','app.kubernetes.io/component','app.kubernetes.io/managed-by']))",message="podLabels must not use the operator's own keys (serving.olmoe.dev/*, app.kubernetes.io/name, instance, component, managed-by): choose other keys"
	PodLabels map[string]LabelValue `json:"podLabels,omitempty"`
	// podAnnotations are added to the pods. Changing them restarts the pods, one
	// at a time.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	PodAnnotations map[string]string `json:"podAnnotations,omitempty"`
	// weightsCacheLimit is how much disk each pod may use to keep int8 weights for its
	// container's next start; 0 keeps none. Without it a pod keeps what leaves a fifth
	// of the machine's disk free, or nothing where resources.limits has
	// ephemeral-storage, of which it would be a part. Give it where a LimitRange sets
	// such a limit. The pods need an image that knows it: those of an operator that was
	// upgraded keep theirs until spec.image is set.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!quantity(string(self)).isLessThan(quantity('0'))",message="must not be below 0; 0 keeps nothing"
	WeightsCacheLimit *resource.Quantity `json:"weightsCacheLimit,omitempty"`
}

// ImageSettings say which image the pods run.
type ImageSettings struct {
	// image of routers and expert nodes. Without it, new deployments get the
	// operator's own image and keep it when the operator is upgraded
	// (status.image shows it): setting it here is how to roll the pods.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^\S+$`
	Image string `json:"image,omitempty"`
	// imagePullPolicy of the pods.
	// +optional
	// +kubebuilder:default=IfNotPresent
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// imagePullSecrets are secrets of the same namespace for the registry.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []ImagePullSecret `json:"imagePullSecrets,omitempty"`
}

// SecretName is what a Secret of the same namespace can be called: a DNS subdomain (RFC 1123).
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
type SecretName string

// ImagePullSecret names a secret of type kubernetes.io/dockerconfigjson.
type ImagePullSecret struct {
	// name of the secret.
	// +required
	Name SecretName `json:"name"`
}
