// Package modelsource reads where a model is. It imports nothing of Kubernetes, so
// that it can be fuzzed without compiling all of that for it.
package modelsource

import (
	"path"
	"strings"
)

// Source is a parsed model source: a directory of the machine, or a claim with a
// path inside.
type Source struct {
	// HostPath is absolute and clean; empty for a claim.
	HostPath string
	// Claim names a PersistentVolumeClaim, SubPath a directory in it, relative and
	// clean, without ".."; empty for its root.
	Claim, SubPath string
}

// Parse reads "file:///path" or "pvc://claim[/path]". The API server has refused
// everything else (the markers of v1alpha1.ModelSource); should something slip
// through, the paths still cannot leave their root.
func Parse(source string) Source {
	scheme, rest, _ := strings.Cut(source, "://")
	if scheme != "pvc" {
		return Source{HostPath: path.Clean("/" + rest)}
	}
	claim, sub, _ := strings.Cut(rest, "/")
	return Source{Claim: claim, SubPath: strings.Trim(path.Clean("/"+sub), "/")}
}

// Name is the last part of the source: the model id where the user gave none.
func (s Source) Name() string {
	return path.Base(path.Join("/", s.HostPath, s.Claim, s.SubPath))
}
