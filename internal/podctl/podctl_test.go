package podctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

var shape = Shape{Layers: 2, Experts: 4, Model: "f00d"}

func document(revision int64) *placement.Document {
	p := &placement.Placement{Epoch: 3, Layers: 2, Experts: 4, Nodes: []placement.Node{
		{Name: "a", Address: "a:7070", Experts: [][]int{{0, 1}, {2, 3}}},
		{Name: "b", Address: "b:7070", Experts: [][]int{{2, 3}, {0, 1}}},
	}}
	return &placement.Document{Revision: revision, Model: "f00d", Serving: p}
}

func encode(t *testing.T, d *placement.Document) []byte {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDocumentsThatDoNotFitAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*placement.Document)
		want   string
	}{
		{"another model", func(d *placement.Document) { d.Model = "beef" }, "fingerprint beef; this pod has f00d: give all pods"},
		{"no revision", func(d *placement.Document) { d.Revision = 0 }, "revision must be at least 1"},
		{"empty", func(d *placement.Document) { d.Serving = nil }, "neither serving nor target"},
		{"layers", func(d *placement.Document) { d.Serving.Layers = 9 }, "9 layers of 4 experts; the model has 2 of 4"},
		{"address", func(d *placement.Document) { d.Serving.Nodes[0].Address = "nowhere" }, "node a: address nowhere: missing port"},
		{"name twice", func(d *placement.Document) { d.Serving.Nodes[1].Name = "a" }, "there twice"},
		{"expert out of range", func(d *placement.Document) { d.Serving.Nodes[0].Experts[1] = []int{2, 3, 4} }, "expert 4"},
		{"expert without an owner", func(d *placement.Document) { d.Serving.Nodes[0].Experts[1] = []int{2} }, "expert 3 has no owner"},
		{"no epoch", func(d *placement.Document) { d.Serving.Epoch = 0 }, "serving.epoch is 0; it must be at least 1"},
		{"target of another shape", func(d *placement.Document) {
			other := *d.Serving
			other.Layers = 9
			d.Target = &other
		}, "9 layers of 4 experts"},
		{"target before serving", func(d *placement.Document) {
			old := *d.Serving
			old.Epoch = 2
			d.Target = &old
		}, "target epoch 2 is before serving epoch 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := document(7)
			tt.change(d)
			w := NewWatcher("", shape, logr.Discard(), func(*placement.Document) { t.Error("the document is used") })
			err := w.Apply(encode(t, d))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if _, problem := w.Newest(); err != nil && problem != "sent to the control port: "+err.Error() {
				t.Errorf("problem %q, want the error and where it came from", problem)
			}
		})
	}
	if err := NewWatcher("", shape, logr.Discard(), nil).Apply([]byte("{")); err == nil {
		t.Error("what is no JSON is accepted")
	}
}

// A document may be as large as the limit and no larger.
func TestSizeOfDocuments(t *testing.T) {
	raw := encode(t, document(7))
	for size, want := range map[int]string{MaxDocument: "", MaxDocument + 1: "placement document larger than 4194304 bytes"} {
		padded := slices.Concat(raw, bytes.Repeat([]byte(" "), size-len(raw)))
		err := NewWatcher("", shape, logr.Discard(), func(*placement.Document) {}).Apply(padded)
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%d bytes: %v, want %q", size, err, want)
		}
	}
}

// While nothing changes, serving and target are of one epoch.
func TestTargetMayBeWhatServes(t *testing.T) {
	d := document(7)
	d.Target = d.Serving
	if err := NewWatcher("", shape, logr.Discard(), func(*placement.Document) {}).Apply(encode(t, d)); err != nil {
		t.Error(err)
	}
}

// The highest revision wins, whichever way it came.
func TestHighestRevisionWins(t *testing.T) {
	var used []int64
	w := NewWatcher("", shape, logr.Discard(), func(d *placement.Document) { used = append(used, d.Revision) })
	for _, r := range []int64{5, 4, 5, 6, 1} {
		if err := w.Apply(encode(t, document(r))); err != nil {
			t.Fatal(err)
		}
	}
	if len(used) != 2 || used[0] != 5 || used[1] != 6 {
		t.Errorf("used revisions %v, want 5 and 6", used)
	}
	if d, _ := w.Newest(); d.Revision != 6 {
		t.Errorf("newest is %d", d.Revision)
	}
}

// The file may come late, be damaged for a while, and go; the pod keeps what it had.
func TestFileIsFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "placement.json")
	used := make(chan int64, 8)
	w := NewWatcher(file, shape, logr.Discard(), func(d *placement.Document) { used <- d.Revision })
	write := func(b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		w.poll()
	}
	w.poll()
	write(encode(t, document(1)))
	write([]byte(`{"revision": 2`))
	if why := w.Explain("not ready"); !strings.HasPrefix(why, "not ready; a placement document was refused: "+file+": placement document: unexpected end of JSON") {
		t.Errorf("a damaged file: %q", why)
	}
	write(encode(t, document(3)))
	if why := w.Explain("not ready"); why != "not ready" {
		t.Errorf("%q after a good document", why)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.poll()
	if d, _ := w.Newest(); d.Revision != 3 || len(used) != 2 {
		t.Errorf("newest revision %d after %d changes, want 3 after 2", d.Revision, len(used))
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	w.poll()
	if _, problem := w.Newest(); !strings.Contains(problem, file) {
		t.Errorf("problem %q with a file that cannot be read", problem)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(encode(t, document(3)))
	if _, problem := w.Newest(); problem != "" {
		t.Errorf("problem %q with a file that can be read again", problem)
	}
}

func TestServer(t *testing.T) {
	w := NewWatcher("", shape, logr.Discard(), func(*placement.Document) {})
	s := &Server{Watcher: w, Fill: func(r *controlpb.DescribeResponse) { r.Name = "pod" }}
	r, err := s.ApplyPlacement(context.Background(), &controlpb.ApplyPlacementRequest{Document: encode(t, document(4))})
	if err != nil || r.GetRevision() != 4 || r.GetName() != "pod" || r.GetVersion() == "" {
		t.Errorf("answer %v, error %v", r, err)
	}
	_, err = s.ApplyPlacement(context.Background(), &controlpb.ApplyPlacementRequest{Document: []byte("[]")})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a bad document gives %v", err)
	}
	r, err = s.Describe(context.Background(), &controlpb.DescribeRequest{})
	if err != nil || r.GetRevision() != 4 || r.GetMessage() == "" || r.GetRefused() == "" {
		t.Errorf("after it, %v, error %v; want revision 4, a message and why it was refused", r, err)
	}
}

// TestGate: a pod answers from its start, and takes nothing before it knows its model.
func TestGate(t *testing.T) {
	g, ctx := &Gate{Role: "router", Name: "pod"}, context.Background()
	if r, err := g.Describe(ctx, &controlpb.DescribeRequest{}); err != nil || r.GetReady() || r.GetModel() != nil ||
		r.GetRole() != "router" || r.GetName() != "pod" || r.GetVersion() == "" || !strings.Contains(r.GetMessage(), "loading") {
		t.Errorf("while it loads: %v, error %v", r, err)
	}
	apply := &controlpb.ApplyPlacementRequest{Document: encode(t, document(4))}
	if _, err := g.ApplyPlacement(ctx, apply); status.Code(err) != codes.Unavailable {
		t.Errorf("a document while it loads: %v", err)
	}
	if _, err := g.Load(ctx, &controlpb.LoadRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("its load while it loads: %v", err)
	}
	g.Open(&Server{Watcher: NewWatcher("", shape, logr.Discard(), func(*placement.Document) {}), Fill: func(*controlpb.DescribeResponse) {}})
	if r, err := g.ApplyPlacement(ctx, apply); err != nil || r.GetRevision() != 4 {
		t.Errorf("a document afterwards: %v, error %v", r, err)
	}
	if r, err := g.Describe(ctx, &controlpb.DescribeRequest{}); err != nil || r.GetRevision() != 4 {
		t.Errorf("afterwards: %v, error %v", r, err)
	}
	if _, err := g.Load(ctx, &controlpb.LoadRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("its load afterwards: %v", err)
	}
}

func TestDescribeModel(t *testing.T) {
	o := synth.Tiny()
	o.Layers, o.Experts, o.ExpertsPerTok, o.Tokenizer = 2, 4, 2, false
	dir := t.TempDir()
	if err := synth.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	ck, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ck.Close() }()
	m, err := DescribeModel(ck, "tiny")
	if err != nil {
		t.Fatal(err)
	}
	expert := uint64(3 * o.HiddenSize * o.IntermediateSize * 2)
	all := uint64(0)
	for _, spec := range ck.Config().Tensors() {
		t, _ := ck.Tensor(spec.Name)
		all += uint64(len(t.Data))
	}
	if m.GetExpertBytes() != expert || m.GetRouterBytes() != all-8*expert {
		t.Errorf("expert %d bytes, router %d; want %d and %d", m.GetExpertBytes(), m.GetRouterBytes(), expert, all-8*expert)
	}
	small, err := checkpoint.OpenAs(dir, checkpoint.Int8)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = small.Close() }()
	q, err := DescribeModel(small, "tiny")
	if err != nil {
		t.Fatal(err)
	}
	// gate and up [32, 64] in rows of 68 bytes, down [64, 32] in rows of 34.
	if got := q.GetExpertBytes(); got != 2*32*68+64*34 || q.GetRouterBytes() >= m.GetRouterBytes() || q.GetFingerprint() == m.GetFingerprint() {
		t.Errorf("int8: expert %d bytes, router %d of %d, fingerprint %s", got, q.GetRouterBytes(), m.GetRouterBytes(), q.GetFingerprint())
	}
	if m.GetFingerprint() != ck.Fingerprint() || m.GetLayers() != 2 || m.GetExperts() != 4 || m.GetHiddenSize() != 64 {
		t.Errorf("model %v", m)
	}
}

// A call that waits for silence ends, whatever it asks for (invariant 8).
func TestWaitsAreBounded(t *testing.T) {
	var left time.Duration
	s := &Server{
		Watcher: NewWatcher("", shape, logr.Discard(), nil),
		Fill:    func(*controlpb.DescribeResponse) {},
		AwaitSilence: func(ctx context.Context) {
			if end, ok := ctx.Deadline(); ok {
				left = time.Until(end)
			}
		},
	}
	for ms, want := range map[uint32]time.Duration{0: 0, 5_000: 5 * time.Second, 1<<32 - 1: time.Minute} {
		left = 0
		if _, err := s.Describe(t.Context(), &controlpb.DescribeRequest{AwaitSilenceMs: ms}); err != nil {
			t.Fatal(err)
		}
		if left > want || (left == 0) != (want == 0) {
			t.Errorf("a wait of %d ms may take %s, want at most %s", ms, left, want)
		}
	}
}
