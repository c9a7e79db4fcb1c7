// Package v1alpha1 holds the API of olmoe-operator: OLMoEDeployment, which a
// user writes, and ExpertPool, which the operator makes from it.
//
// What can be seen to be impossible from the object alone is refused by the API
// server, as far as a schema can tell (the validation markers here), with a message
// that says what to do; what depends on the cluster or the model, and what only the
// check of a child finds (keys of labels and annotations, affinity), shows in the
// conditions (conditions.go).
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=applyconfiguration
// +groupName=serving.olmoe.dev
package v1alpha1
