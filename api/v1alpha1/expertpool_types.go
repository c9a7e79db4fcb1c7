package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExpertPool is the set of expert nodes of one OLMoEDeployment and the placement
// of experts on them. The operator makes it; its /scale is where an autoscaler
// acts when the OLMoEDeployment gives no expertNodes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:resource:categories=all,singular=expertpool
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.spec.replicas`,description="Expert nodes wanted"
// +kubebuilder:printcolumn:name="Ready Nodes",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Experts",type=string,JSONPath=`.status.summary.experts`,description="Experts of all layers that have a ready owner / all"
// +kubebuilder:printcolumn:name="Balancedness",type=string,JSONPath=`.status.summary.balancedness`
// +kubebuilder:printcolumn:name="Epoch",type=integer,JSONPath=`.status.placement.serving.epoch`,description="The placement that routers use"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="metadata.name may have at most 40 characters, because pods are named after it: choose a shorter name"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must start with a letter and hold only lower-case letters, digits and '-', because services are named after it: choose another name"
type ExpertPool struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the OLMoEDeployment (and an autoscaler) wants.
	// +required
	Spec ExpertPoolSpec `json:"spec"`
	// status is what the operator sees.
	// +optional
	Status ExpertPoolStatus `json:"status,omitzero"`
}

// ExpertPoolSpec is what the OLMoEDeployment (and an autoscaler) wants.
//
// +kubebuilder:validation:XValidation:rule="!has(self.replicas) || !has(self.experts) || !has(self.experts.replicasPerExpert) || self.experts.replicasPerExpert <= self.replicas",message="replicas must not be below experts.replicasPerExpert, because two replicas of an expert never share a node: ask for more replicas"
type ExpertPoolSpec struct {
	// replicas is the number of expert nodes; the path of /scale.
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	Replicas *int32 `json:"replicas,omitempty"`

	// model is the checkpoint whose experts the pool holds.
	// +required
	Model Model `json:"model"`

	ImageSettings `json:",inline"`

	// experts says how experts are kept on the nodes.
	// +optional
	// +kubebuilder:default={}
	Experts ExpertSettings `json:"experts,omitzero"`

	// routerSelector selects the router pods that use the pool: a placement is
	// in force when all of them have switched to it.
	// +required
	RouterSelector metav1.LabelSelector `json:"routerSelector"`
}

// ExpertPlacement are the limits of a placement.
type ExpertPlacement struct {
	// replicasPerExpert is on how many nodes each expert is. With 2 or more, the
	// loss of a node stops no request.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	ReplicasPerExpert *int32 `json:"replicasPerExpert,omitempty"`
	// slotsPerNode is how many experts of a layer a node may hold. Without it,
	// as many as needed. All nodes together need room for (experts of a layer) x
	// replicasPerExpert.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	SlotsPerNode *int32 `json:"slotsPerNode,omitempty"`
}

// ExpertPoolStatus is what the operator sees.
type ExpertPoolStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready, Available, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// replicas is the number of expert-node pods that exist.
	// +optional
	Replicas int32 `json:"replicas"`
	// readyReplicas is how many of them are ready.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`
	// selector of the pods, as text, for autoscalers.
	// +optional
	Selector string `json:"selector,omitempty"`
	// summary holds the printed columns.
	// +optional
	Summary Summary `json:"summary,omitzero"`
	// model is what the pods found in the checkpoint.
	// +optional
	Model *ModelInfo `json:"model,omitempty"`
	// placement is the published placement; a second copy of the ConfigMap's.
	// +optional
	Placement *PlacementStatus `json:"placement,omitempty"`
	// balancedness of each layer, from layer 0: mean number of experts on a node /
	// that of the fullest node. 1.00 is perfect.
	// +optional
	// +listType=atomic
	Balancedness []string `json:"balancedness,omitempty"`
}

// PlacementStatus is the published placement document.
type PlacementStatus struct {
	// revision of the document; grows with each change.
	// +required
	Revision int64 `json:"revision"`
	// model is the fingerprint of the checkpoint that the placement is for.
	// +optional
	Model string `json:"model,omitempty"`
	// serving is the placement in force, unset until the first one is.
	// +optional
	Serving *PlacementEpoch `json:"serving,omitempty"`
	// target is the placement that is being prepared, if any.
	// +optional
	Target *PlacementEpoch `json:"target,omitempty"`
}

// PlacementEpoch is one placement.
type PlacementEpoch struct {
	// epoch numbers the placement; 0 where there is none.
	// +required
	Epoch int64 `json:"epoch"`
	// layers of the model.
	// +required
	Layers int32 `json:"layers"`
	// experts of each layer.
	// +required
	Experts int32 `json:"experts"`
	// nodes and what they hold.
	// +optional
	// +listType=map
	// +listMapKey=name
	Nodes []PlacementNode `json:"nodes,omitempty"`
}

// PlacementNode is what one node holds.
type PlacementNode struct {
	// name of the pod.
	// +required
	Name string `json:"name"`
	// experts, by layers: "0-15:0-31" says experts 0 to 31 of each of the layers
	// 0 to 15; groups of layers are separated by ";".
	// +optional
	Experts string `json:"experts,omitempty"`
}

// ExpertPoolList is a list of ExpertPool.
// +kubebuilder:object:root=true
type ExpertPoolList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items of the list.
	Items []ExpertPool `json:"items"`
}
