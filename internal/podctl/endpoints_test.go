package podctl

import (
	"maps"
	"testing"

	"github.com/go-logr/logr"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// A call brings a document, hints where nodes are, or both; one that brings nothing
// is a fault of who sends it.
func TestWhatACallBrings(t *testing.T) {
	hints := map[string]string{"a": "10.0.0.1:7070"}
	for _, c := range []struct {
		name     string
		document bool
		hints    map[string]string
		noRouter bool
		code     codes.Code
		revision int64
		taken    map[string]string
	}{
		{name: "a document", document: true, revision: 4},
		{name: "hints", hints: hints, taken: hints},
		{name: "both", document: true, hints: hints, revision: 4, taken: hints},
		{name: "nothing", code: codes.InvalidArgument},
		{name: "hints for a pod that is no router", hints: hints, noRouter: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls, taken := 0, map[string]string(nil)
			s := &Server{
				Watcher:   NewWatcher("", shape, logr.Discard(), func(*placement.Document) {}),
				Fill:      func(*controlpb.DescribeResponse) {},
				Endpoints: func(m map[string]string) { calls, taken = calls+1, m },
			}
			if c.noRouter {
				s.Endpoints = nil
			}
			r := &controlpb.ApplyPlacementRequest{Endpoints: c.hints}
			if c.document {
				r.Document = encode(t, document(4))
			}
			got, err := s.ApplyPlacement(t.Context(), r)
			if status.Code(err) != c.code || got.GetRevision() != c.revision {
				t.Errorf("revision %d, error %v; want %d and %v", got.GetRevision(), err, c.revision, c.code)
			}
			if !maps.Equal(taken, c.taken) || calls != min(1, len(c.taken)) {
				t.Errorf("hints %v in %d calls, want %v", taken, calls, c.taken)
			}
		})
	}
}
