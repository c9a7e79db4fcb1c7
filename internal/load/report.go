package load

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Report is what a debug endpoint answers: of a node about itself, of a router
// about all its nodes.
type Report struct {
	WindowSeconds float64 `json:"window_seconds"` // asked for
	Summary       Summary `json:"summary"`
	Nodes         []*Node `json:"nodes"`            // that answered, by name
	Failed        []Fault `json:"failed,omitempty"` // that did not, by name
}

// Fault is a node that did not answer.
type Fault struct {
	Node  string `json:"node"`
	Error string `json:"error"`
}

// NewReport sums up answers. A node whose answer cannot be used, or is of another
// model's shape than the first's, is listed as failed.
func NewReport(answers []*Node, failed []Fault) *Report {
	r := &Report{Nodes: []*Node{}, Failed: failed}
	slices.SortFunc(answers, func(a, b *Node) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range answers {
		if err := r.fits(n); err != nil {
			r.Failed = append(r.Failed, Fault{Node: n.Name, Error: err.Error()})
			continue
		}
		r.Nodes = append(r.Nodes, n)
	}
	slices.SortFunc(r.Failed, func(a, b Fault) int { return cmp.Compare(a.Node, b.Node) })
	r.Summary = Sum(r.Nodes, len(r.Nodes)+len(r.Failed))
	return r
}

// Of is the report of some nodes only.
func (r *Report) Of(is func(node string) bool) *Report {
	var nodes []*Node
	var failed []Fault
	for _, n := range r.Nodes {
		if is(n.Name) {
			nodes = append(nodes, n)
		}
	}
	for _, f := range r.Failed {
		if is(f.Node) {
			failed = append(failed, f)
		}
	}
	out := NewReport(nodes, failed)
	out.WindowSeconds = r.WindowSeconds
	return out
}

func (r *Report) fits(n *Node) error {
	if err := n.Check(); err != nil {
		return err
	}
	if len(r.Nodes) > 0 && (n.Layers() != r.Nodes[0].Layers() || n.Experts() != r.Nodes[0].Experts()) {
		return fmt.Errorf("has %d layers of %d experts; %s has %d of %d: give all pods the same checkpoint",
			n.Layers(), n.Experts(), r.Nodes[0].Name, r.Nodes[0].Layers(), r.Nodes[0].Experts())
	}
	return nil
}

// Decode reads a report from JSON and checks it: what a node or router writes may
// be of another version.
func Decode(from io.Reader) (*Report, error) {
	var r Report
	if err := json.NewDecoder(from).Decode(&r); err != nil {
		return nil, err
	}
	if slices.Contains(r.Nodes, nil) {
		return nil, errors.New("a report of the load with a node that is null")
	}
	checked := NewReport(r.Nodes, r.Failed)
	checked.WindowSeconds = r.WindowSeconds
	return checked, nil
}
