package podctl

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// FuzzDocument: whatever the bytes, a document is refused, or it is one that this pod can
// follow: every expert of its model has an owner at an address. The pod never loses what
// it had.
func FuzzDocument(f *testing.F) {
	good := document(7)
	raw, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	good.Serving.Nodes[0].Address = "nowhere"
	if raw, err = json.Marshal(good); err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"revision": 8, "target": {"epoch": 4, "layers": 2, "experts": 4}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := NewWatcher("", shape, logr.Discard(), func(*placement.Document) {})
		if err := w.Apply(encode(t, document(1))); err != nil {
			t.Fatal(err)
		}
		err := w.Apply(raw)
		d, problem := w.Newest()
		if err != nil && (d.Revision != 1 || problem == "") {
			t.Fatalf("refused (%v), and the pod has revision %d, problem %q", err, d.Revision, problem)
		}
		for _, p := range d.Placements() {
			for l := range shape.Layers {
				owned := map[int]bool{}
				for _, n := range p.Nodes {
					if _, _, err := net.SplitHostPort(n.Address); err != nil {
						t.Errorf("node %s: %v", n.Name, err)
					}
					for _, e := range n.Experts[l] {
						owned[e] = true
					}
				}
				if len(owned) != shape.Experts {
					t.Errorf("layer %d has owners of %d experts", l, len(owned))
				}
			}
		}
	})
}
