// Package podspec holds what the pods of both roles have in common: names,
// labels, security, volumes, probes.
package podspec

import (
	"fmt"
	"maps"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// Ports and paths inside pods; flags, probes and Services are built from them.
const (
	PortHTTP        = 8000 // router: OpenAI API, probes, metrics
	PortControl     = 7070 // both: gRPC Control; expert nodes: Dispatch as well
	PortExpertHTTP  = 7071 // expert node: probes, metrics
	modelPath       = "/model"
	placementDir    = "/etc/olmoe"
	PlacementKey    = "placement.json"
	placementPath   = placementDir + "/" + PlacementKey
	terminationPath = "/dev/termination-log"
	cachePath       = "/cache"
)

// Listen is a role's flag of an address that it serves at.
func Listen(flag string, port int32) string { return fmt.Sprintf("--%s=:%d", flag, port) }

// Components of a deployment, the value of the component label.
const (
	Router     = "router"
	ExpertNode = "expert-node"
)

// ManagedBy labels everything the operator makes; its caches hold nothing else.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ManagedBy      = "olmoe-operator"
	instanceLabel  = "app.kubernetes.io/instance"
)

// Selector are the labels that select the pods of a component; they never change.
func Selector(instance, component string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name":      "olmoe",
		instanceLabel:                 instance,
		"app.kubernetes.io/component": component,
	}
}

// Labels are the labels of an object of a component.
func Labels(instance, component string) map[string]string {
	l := Selector(instance, component)
	l[ManagedByLabel] = ManagedBy
	return l
}

// Instance is the deployment (and pool) that an object belongs to.
func Instance(labels map[string]string) string { return labels[instanceLabel] }

// RouterName is the name of what belongs to the routers. With a deployment's name
// of at most 40 characters, all names and label values made from it stay under 63;
// the longest is a StatefulSet's revision: name, "-experts-" and 10 characters.
func RouterName(deployment string) string { return deployment + "-router" }

// ExpertsName is the name of what belongs to the expert nodes.
func ExpertsName(pool string) string { return pool + "-experts" }

// PlacementName is the name of the ConfigMap with the placement.
func PlacementName(pool string) string { return pool + "-placement" }

func merged(user map[string]v1alpha1.LabelValue, own map[string]string) map[string]string {
	out := plainLabels(user)
	maps.Copy(out, own)
	return out
}

// plainLabels are labels as Kubernetes has them.
func plainLabels(m map[string]v1alpha1.LabelValue) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = string(v)
	}
	return out
}

// Is says whether labels are those of a component.
func Is(labels map[string]string, component string) bool {
	return labels["app.kubernetes.io/component"] == component
}
