package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ExpertPoolStatus is what the operator sees.
type ExpertPoolStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready, Available, Reconciling, Stalled, Balanced.
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
	// balancedness of each layer, from layer 0: mean load of a node / load of the
	// busiest one, in tokens of the last window; in experts while there are too few
	// tokens to tell. 1.00 is perfect.
	// +optional
	// +listType=atomic
	Balancedness []string `json:"balancedness,omitempty"`
	// load is what the nodes had to do in the last window, when that was last told.
	// +optional
	Load *LoadStatus `json:"load,omitempty"`
	// rebalancing is the last time that experts moved because of their load.
	// +optional
	Rebalancing *RebalancingStatus `json:"rebalancing,omitempty"`
	// scaling is what the operator last decided about the number of nodes.
	// +optional
	Scaling *ScalingStatus `json:"scaling,omitempty"`
}

// LoadStatus is the load of a window in a few figures. The whole matrix is on the
// routers' debug endpoint, and in "olmoe top".
type LoadStatus struct {
	// time at which the window ended.
	// +required
	Time metav1.Time `json:"time"`
	// tokensPerSecond that went through a layer.
	// +required
	TokensPerSecond string `json:"tokensPerSecond"`
	// hottestExpert has the largest share of a layer's tokens.
	// +optional
	HottestExpert *HottestExpert `json:"hottestExpert,omitempty"`
	// busiestNode computed for the largest part of the window.
	// +optional
	BusiestNode *BusiestNode `json:"busiestNode,omitempty"`
}

// HottestExpert is the expert with the most tokens.
type HottestExpert struct {
	// layer of the expert.
	// +required
	Layer int32 `json:"layer"`
	// expert within its layer.
	// +required
	Expert int32 `json:"expert"`
	// timesMean is its load / the mean load of the layer's experts.
	// +required
	TimesMean string `json:"timesMean"`
}

// BusiestNode is the node with the least time to spare.
type BusiestNode struct {
	// name of the pod.
	// +required
	Name string `json:"name"`
	// utilization is the part of the window in which it computed, 0.00 to 1.00.
	// +required
	Utilization string `json:"utilization"`
	// queueMilliseconds is how long requests waited there on average.
	// +required
	QueueMilliseconds string `json:"queueMilliseconds"`
}

// RebalancingStatus is the last rebalancing.
type RebalancingStatus struct {
	// time of the decision.
	// +required
	Time metav1.Time `json:"time"`
	// experts that nodes had to load.
	// +required
	Experts int32 `json:"experts"`
	// bytes of their weights.
	// +required
	Bytes int64 `json:"bytes"`
}

// ScalingStatus is the operator's last change of the number of nodes.
type ScalingStatus struct {
	// time of the last change.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
	// from is the number of nodes before it.
	// +optional
	From int32 `json:"from,omitempty"`
	// to is the number of nodes after it.
	// +optional
	To int32 `json:"to,omitempty"`
	// reversalTime is when it last changed direction: from more to less, or back.
	// +optional
	ReversalTime *metav1.Time `json:"reversalTime,omitempty"`
	// reason in a word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says why, with the figures.
	// +optional
	Message string `json:"message,omitempty"`
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
