package v1alpha1

// ModelSource says where the checkpoint is: "file:///absolute/path" on every
// machine that may run a pod, or "pvc://claim[/sub/path]" on a volume.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=1024
// +kubebuilder:validation:XValidation:rule="self.startsWith('file://') || self.startsWith('pvc://')",message="model.source must be file:///absolute/path or pvc://claim[/sub/path]"
// +kubebuilder:validation:XValidation:rule="!self.startsWith('file://') || self.matches('^file:///[^/].*$') && self.split('/').exists(p, p.size() > 0 && !(p in ['file:', '.']))",message="a file:// source needs an absolute path of a directory, not the root of the machine: write file:///var/lib/models/olmoe (three slashes)"
// +kubebuilder:validation:XValidation:rule="!self.startsWith('pvc://') || (self.split('/')[2].size() <= 253 && self.matches('^pvc://[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*(/[^/].*)?$'))",message="a pvc:// source needs the name of a PersistentVolumeClaim in the same namespace: write pvc://my-claim or pvc://my-claim/sub/path"
// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(p, p == '..')",message="model.source must not contain '..': write the path out"
// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="model.source must not contain control characters, such as NUL or a line break: rename the directory"
type ModelSource string

// WeightFormat is the form in which weights are kept in memory.
// +kubebuilder:validation:Enum=bf16;int8
type WeightFormat string

const (
	// WeightsBF16 keeps the weights as the checkpoint stores them.
	WeightsBF16 WeightFormat = "bf16"
	// WeightsInt8 makes 8-bit integers of the large matrices at load.
	WeightsInt8 WeightFormat = "int8"
)

// Model names the checkpoint to serve.
type Model struct {
	// source is where the checkpoint (a Hugging Face OLMoE directory) is:
	// file:///absolute/path on every machine that may run a pod, or
	// pvc://claim[/sub/path] on a PersistentVolumeClaim of the same namespace
	// (ReadOnlyMany or ReadWriteMany where pods run on several machines).
	// It is mounted read-only and cannot be changed: pods with two different
	// models cannot work together.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="model.source cannot be changed: create a second OLMoEDeployment for the other model, move the traffic, then delete this one"
	Source ModelSource `json:"source"`

	// weights is the form in which the pods keep the weights. bf16 means as
	// stored in the checkpoint. int8 makes 8-bit integers of the large matrices
	// when they are loaded: half the memory and faster, with small differences in
	// the answers. It cannot be changed: pods that compute different numbers
	// cannot work together.
	// +optional
	// +kubebuilder:default=bf16
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="model.weights cannot be changed: create a second OLMoEDeployment with the other weights, move the traffic, then delete this one"
	Weights WeightFormat `json:"weights,omitempty"`
}

// ModelInfo is what the pods found in the checkpoint.
type ModelInfo struct {
	// fingerprint is equal for two pods exactly if they see the same checkpoint and
	// compute with its weights in the same form.
	// +required
	Fingerprint string `json:"fingerprint"`
	// name is the checkpoint's own name.
	// +optional
	Name string `json:"name,omitempty"`
	// layers is the number of layers.
	// +required
	Layers int32 `json:"layers"`
	// experts is the number of experts in each layer.
	// +required
	Experts int32 `json:"experts"`
	// expertsPerToken is how many experts of a layer run for each token.
	// +optional
	ExpertsPerToken int32 `json:"expertsPerToken,omitempty"`
	// contextLength is the largest number of tokens of a request, answer included,
	// that the model is made for. A router whose KV cache holds less
	// (routers.kvCacheMB) refuses longer requests.
	// +optional
	ContextLength int32 `json:"contextLength,omitempty"`
	// expertBytes is the size of one expert of one layer.
	// +optional
	ExpertBytes int64 `json:"expertBytes,omitempty"`
	// routerBytes is the size of everything but the experts.
	// +optional
	RouterBytes int64 `json:"routerBytes,omitempty"`
}
