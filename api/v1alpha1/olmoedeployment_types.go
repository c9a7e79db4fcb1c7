package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OLMoEDeployment serves one OLMoE model, its experts spread over expert nodes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=olmoe,categories=all,singular=olmoedeployment
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Everything is as the spec wants it"
// +kubebuilder:printcolumn:name="Routers",type=string,JSONPath=`.status.summary.routers`,description="Routers ready / wanted"
// +kubebuilder:printcolumn:name="Expert Nodes",type=string,JSONPath=`.status.summary.expertNodes`,description="Expert nodes ready / wanted"
// +kubebuilder:printcolumn:name="Experts",type=string,JSONPath=`.status.summary.experts`,description="Experts of all layers that have a ready owner / all"
// +kubebuilder:printcolumn:name="Balancedness",type=string,JSONPath=`.status.summary.balancedness`,description="Mean node load / busiest node's load in the worst layer"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Endpoint",type=string,priority=1,JSONPath=`.status.endpoint`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name may have at most 40 characters, because pods and services are named after it: choose a shorter name"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-', because services are named after it: choose another name"
type OLMoEDeployment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the user wants.
	// +required
	Spec OLMoEDeploymentSpec `json:"spec"`
	// status is what the operator sees. Until it has seen anything its observedGeneration
	// is -1, so that kstatus does not take a new object for a finished one.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status OLMoEDeploymentStatus `json:"status,omitzero"`
}

// OLMoEDeploymentSpec is what the user wants.
//
// +kubebuilder:validation:XValidation:rule="!has(self.expertNodes) || !has(self.experts) || !has(self.experts.replicasPerExpert) || self.experts.replicasPerExpert <= self.expertNodes",message="experts.replicasPerExpert must not be above expertNodes, because two replicas of an expert never share a node: raise expertNodes or lower replicasPerExpert"
// +kubebuilder:validation:XValidation:rule="!has(self.expertNodes) || !has(self.scaling)",message="give expertNodes (a fixed number) or scaling (the operator chooses), not both"
// +kubebuilder:validation:XValidation:rule="!has(self.scaling) || !has(self.experts) || !has(self.experts.replicasPerExpert) || self.experts.replicasPerExpert <= self.scaling.min",message="experts.replicasPerExpert must not be above scaling.min, because two replicas of an expert never share a node: raise scaling.min or lower replicasPerExpert"
type OLMoEDeploymentSpec struct {
	// model is the checkpoint to serve.
	// +required
	Model Model `json:"model"`

	ImageSettings `json:",inline"`

	// routers run everything but the experts, and the HTTP API.
	// +optional
	// +kubebuilder:default={}
	Routers RouterSettings `json:"routers,omitzero"`

	// expertNodes is how many expert nodes share the experts. While it is given,
	// the number on the ExpertPool follows it. Without it the pool starts with 2
	// nodes (or replicasPerExpert, where that is more) and its number belongs to
	// whoever scales the ExpertPool (kubectl scale, an autoscaler).
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	ExpertNodes *int32 `json:"expertNodes,omitempty"`

	// scaling lets the operator choose the number of expert nodes by their load, in
	// place of expertNodes.
	// +optional
	Scaling *ScalingSettings `json:"scaling,omitempty"`

	// experts says how experts are kept on the expert nodes.
	// +optional
	// +kubebuilder:default={}
	Experts ExpertSettings `json:"experts,omitzero"`

	// service is how clients reach the routers.
	// +optional
	// +kubebuilder:default={}
	Service ServiceSettings `json:"service,omitzero"`
}

// RouterSettings are the settings of the router pods.
//
// +kubebuilder:validation:XValidation:rule="!has(self.maxStepTokens) || self.maxStepTokens >= (has(self.maxSequences) ? self.maxSequences : 64)",message="routers.maxStepTokens must not be below routers.maxSequences (64 unless it is given), because each running sequence takes a token of every step: raise maxStepTokens or lower maxSequences"
type RouterSettings struct {
	// replicas is the number of router pods; each can use every expert node. While it
	// is given, the number on their Deployment follows it. Without it the Deployment
	// starts with 1, and its number belongs to whoever scales it (an autoscaler, kubectl
	// scale); taking it out of the spec changes nothing at that moment.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	Replicas *int32 `json:"replicas,omitempty"`
	// servedModelName is the model id that clients name. Without it, the last
	// part of model.source.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ServedModelName string `json:"servedModelName,omitempty"`
	// maxSequences is how many sequences a router runs at once; the program's
	// default is 64.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	MaxSequences *int32 `json:"maxSequences,omitempty"`
	// maxQueue is how many sequences (prompts of a request, times n) may wait in a
	// router; a request with one more is answered with status 429. The program's
	// default is 256.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	MaxQueue *int32 `json:"maxQueue,omitempty"`
	// maxQueueWaitSeconds is how long a sequence may wait in a router; then its
	// request is answered with status 429. The program's default is 600.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	MaxQueueWaitSeconds *int32 `json:"maxQueueWaitSeconds,omitempty"`
	// maxStepTokens is how many tokens a router computes in one step, of running
	// answers and prompts together, at least maxSequences; the program's default is
	// 256. Larger steps compute prompts faster, and every stream waits longer for its
	// next token meanwhile; a router needs some 110 MB for each 1000 of them.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	MaxStepTokens *int32 `json:"maxStepTokens,omitempty"`
	// kvCacheMB limits the KV cache of a router, in MiB; the program's default
	// is 2048. A request with more tokens than it holds, answer included, is
	// refused: a token of OLMoE-1B-7B takes 262144 bytes, half of that with bf16.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1048576
	KVCacheMB *int32 `json:"kvCacheMB,omitempty"`
	// kvCacheType is what the KV cache stores: f32, bf16 (twice the positions in the
	// same memory, rounded), or auto, the program's default: bf16 beside int8 weights,
	// f32 beside others. Answers depend on it: while a change is rolled out, routers of
	// both types answer, each request by one of them.
	// +optional
	KVCacheType KVCacheType `json:"kvCacheType,omitempty"`
	// prefixCache says whether a router keeps what prompts begin with, and does not
	// compute it again; the program's default is true. Clients can tell by the time
	// to an answer whether somebody's prompt began like theirs: false where they
	// must not.
	// +optional
	PrefixCache *bool `json:"prefixCache,omitempty"`
	// terminationGracePeriodSeconds is how long a router that is told to stop may
	// take to finish what it has accepted, for the longest answers that clients ask
	// for; 120 unless it is given. What is not finished 10 seconds before the end is
	// ended with an error.
	// +optional
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=86400
	TerminationGracePeriodSeconds *int32 `json:"terminationGracePeriodSeconds,omitempty"`
	// apiKeySecret is where the key is that clients of the API must send
	// (Authorization: Bearer KEY). Without it the API is open to whoever reaches the
	// Service. Routers read it when they start: after a change of the secret's value,
	// restart them.
	// +optional
	APIKeySecret *SecretKey `json:"apiKeySecret,omitempty"`

	PodSettings `json:",inline"`
}

// KVCacheType is the form in which a router keeps the keys and values of sequences.
//
// +kubebuilder:validation:Enum=auto;bf16;f32
type KVCacheType string

// SecretKey names a value of a secret of the same namespace.
type SecretKey struct {
	// name of the secret.
	// +required
	Name SecretName `json:"name"`
	// key of the value in it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$`
	Key string `json:"key"`
}

// ExpertSettings are the settings of the expert nodes.
type ExpertSettings struct {
	ExpertPlacement `json:",inline"`
	PodSettings     `json:",inline"`
}

// ServiceSettings are the settings of the Service in front of the routers.
type ServiceSettings struct {
	// type of the Service.
	// +optional
	// +kubebuilder:default=ClusterIP
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type corev1.ServiceType `json:"type,omitempty"`
	// port on which the Service listens.
	// +optional
	// +kubebuilder:default=80
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// annotations of the Service, for the load balancer's settings.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]string `json:"annotations,omitempty"`
}

// OLMoEDeploymentStatus is what the operator sees.
type OLMoEDeploymentStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready, Available, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// summary holds the printed columns.
	// +optional
	Summary Summary `json:"summary,omitzero"`
	// endpoint is the URL of the OpenAI-style API inside the cluster.
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// image is what the pods run.
	// +optional
	Image string `json:"image,omitempty"`
	// model is what the pods found in the checkpoint.
	// +optional
	Model *ModelInfo `json:"model,omitempty"`
}

// Summary is the state in a line, for people.
type Summary struct {
	// routers is "ready/wanted".
	// +optional
	Routers string `json:"routers,omitempty"`
	// expertNodes is "ready/wanted".
	// +optional
	ExpertNodes string `json:"expertNodes,omitempty"`
	// experts is "with a ready owner/all", over all layers.
	// +optional
	Experts string `json:"experts,omitempty"`
	// balancedness is that of the worst layer: 1.00 is perfect.
	// +optional
	Balancedness string `json:"balancedness,omitempty"`
}

// OLMoEDeploymentList is a list of OLMoEDeployment.
// +kubebuilder:object:root=true
type OLMoEDeploymentList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items of the list.
	Items []OLMoEDeployment `json:"items"`
}
