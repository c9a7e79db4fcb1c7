package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
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
	// status is what the operator sees. Until it has seen anything its observedGeneration
	// is -1, so that kstatus does not take a new object for a finished one.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
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

	// scaling lets the operator choose replicas by the load of the nodes. Without
	// it, whoever writes /scale does.
	// +optional
	Scaling *ScalingSettings `json:"scaling,omitempty"`

	// routerSelector selects the router pods that use the pool: a placement is
	// in force when all of them have switched to it.
	// +required
	RouterSelector metav1.LabelSelector `json:"routerSelector"`
}

// ExpertPlacement are the limits of a placement.
type ExpertPlacement struct {
	// replicasPerExpert is on how many nodes each expert is, at least: experts with
	// much load get the slots that are left. With 2 or more, the loss of an expert node
	// stops no request. Where there are enough machines with room, the copies are on
	// different ones, so that the loss of a machine stops none either.
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
	// rebalancing moves experts between nodes by load, while requests are served.
	// +optional
	// +kubebuilder:default={}
	Rebalancing RebalancingSettings `json:"rebalancing,omitzero"`
	// restoreAfterSeconds: experts of a node that has been silent for so long get
	// another owner, where the other nodes have slots for them. Experts that have
	// no owner left do not wait so long.
	// +optional
	// +kubebuilder:default=30
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	RestoreAfterSeconds *int32 `json:"restoreAfterSeconds,omitempty"`
}

// RebalancingMode says whether experts move by load.
// +kubebuilder:validation:Enum=Load;Off
type RebalancingMode string

const (
	// RebalanceByLoad moves experts when that lowers the load of the busiest nodes.
	RebalanceByLoad RebalancingMode = "Load"
	// RebalanceOff moves experts only when nodes come or go.
	RebalanceOff RebalancingMode = "Off"
)

// RebalancingSettings say when experts move by load, and how many.
type RebalancingSettings struct {
	// mode is Load or "Off". In YAML the quotes are needed: Off without them is the boolean false.
	// +optional
	// +kubebuilder:default=Load
	Mode RebalancingMode `json:"mode,omitempty"`
	// windowSeconds is the sliding window in which load is measured. It is looked
	// at four times in each window.
	// +optional
	// +kubebuilder:default=60
	// +kubebuilder:validation:Minimum=4
	// +kubebuilder:validation:Maximum=120
	WindowSeconds *int32 `json:"windowSeconds,omitempty"`
	// minGainPercent: experts only move if the load of the busiest nodes, added up
	// over the layers, falls by this much. In a window with few tokens it takes
	// more, for such loads are partly chance.
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MinGainPercent *int32 `json:"minGainPercent,omitempty"`
	// maxBytesPerMinute is how many bytes of weights nodes may load because of
	// rebalancing, or to part copies of an expert that share a machine. What is
	// needed because nodes come or go does not count.
	// +optional
	// +kubebuilder:default="4Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="must be above 0; mode: \"Off\" stops rebalancing"
	MaxBytesPerMinute *resource.Quantity `json:"maxBytesPerMinute,omitempty"`
}

// ScalingSettings let the operator choose the number of expert nodes by their load.
//
// +kubebuilder:validation:XValidation:rule="self.min <= self.max",message="scaling.min must not be above scaling.max"
type ScalingSettings struct {
	// min is the smallest number of expert nodes.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	Min int32 `json:"min,omitempty"`
	// max is the largest number of expert nodes.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	Max int32 `json:"max"`
	// targetUtilizationPercent of the busiest node's time: above it for a while, a
	// node is added.
	// +optional
	// +kubebuilder:default=70
	// +kubebuilder:validation:Minimum=5
	// +kubebuilder:validation:Maximum=95
	TargetUtilizationPercent int32 `json:"targetUtilizationPercent,omitempty"`
	// targetQueueMilliseconds is how long requests may wait at the busiest node on
	// average: above it for a while, a node is added.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60000
	TargetQueueMilliseconds int32 `json:"targetQueueMilliseconds,omitempty"`
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
