// Package controlpb is the Go form of control.proto, the control plane's view of
// a pod. Change the .proto, then run `go generate ./internal/controlpb`.
package controlpb

//go:generate go -C ../../hack/tools/protogen run . internal/controlpb/control.proto
