package expertnode

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// get fetches a page of a node.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url) //nolint:gosec,noctx // a test's own server
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func control(t testing.TB, p *process) controlpb.ControlClient {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return controlpb.NewControlClient(cc)
}

func apply(t testing.TB, c controlpb.ControlClient, d *placement.Document) {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ApplyPlacement(context.Background(), &controlpb.ApplyPlacementRequest{Document: b}); err != nil {
		t.Fatal(err)
	}
}

// A node's life as the operator and the kubelet see it: it is alive at once, and
// ready when, and only when, it holds its share.
func TestDescribeAndProbesTellTheTruth(t *testing.T) {
	p := newPool(t, sharedModel(t), 2)
	n, c := p.nodes[0], control(t, p.nodes[0])
	ask := func() *controlpb.DescribeResponse {
		r, err := c.Describe(context.Background(), &controlpb.DescribeRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	await(t, "alive", func() bool { code, _ := get(t, n.http+"/health"); return code == http.StatusOK })
	if code, body := get(t, n.http+"/ready"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no placement yet") {
		t.Errorf("before a placement: ready answers %d %q", code, body)
	}
	if r := ask(); r.GetReady() || r.GetRole() != "expert-node" || r.GetName() != n.name || r.GetModel().GetExperts() != 8 || r.GetMessage() == "" {
		t.Errorf("before a placement: %v", r)
	}
	if _, err := c.ApplyPlacement(t.Context(), &controlpb.ApplyPlacementRequest{Document: []byte("{")}); err == nil {
		t.Error("half a document was taken")
	}
	const why = "no placement yet; a placement document was refused: sent to the control port: placement document: unexpected end of JSON"
	if _, body := get(t, n.http+"/ready"); !strings.HasPrefix(body, why) || !strings.HasPrefix(ask().GetMessage(), why) {
		t.Errorf("a document was refused: ready answers %q, Describe %q", body, ask().GetMessage())
	}

	rng := rand.New(rand.NewPCG(1, 1))
	apply(t, c, &placement.Document{Revision: 5, Serving: p.place(2, 1, rng)})
	await(t, "ready", func() bool { code, _ := get(t, n.http+"/ready"); return code == http.StatusOK })
	r := ask()
	if !r.GetReady() || r.GetRevision() != 5 || r.GetReadyEpoch() != 2 || r.GetExpertsReady() != r.GetExpertsWanted() || r.GetExpertsWanted() == 0 {
		t.Errorf("after a placement: %v", r)
	}

	alone := *p
	alone.nodes = p.nodes[1:]
	apply(t, c, &placement.Document{Revision: 6, Serving: alone.place(3, 1, rng)})
	await(t, "not named any more", func() bool { return strings.Contains(ask().GetMessage(), "has no node "+n.name) })
	if code, _ := get(t, n.http+"/ready"); code != http.StatusServiceUnavailable {
		t.Errorf("not in the placement and ready answers %d", code)
	}
	await(t, "holds nothing", func() bool {
		_, body := get(t, n.http+"/metrics")
		return strings.Contains(body, "\nolmoe_expert_held 0\n") && strings.Contains(body, "\nolmoe_expert_held_bytes 0\n")
	})
}

// The file's document loses against a newer one that was pushed, and the other
// way round.
func TestFileAndPushMeet(t *testing.T) {
	p := newPool(t, sharedModel(t), 1)
	c := control(t, p.nodes[0])
	rng := rand.New(rand.NewPCG(1, 1))
	revision := func() int64 {
		r, err := c.Describe(context.Background(), &controlpb.DescribeRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return r.GetRevision()
	}
	p.publish(&placement.Document{Revision: 3, Serving: p.place(3, 1, rng)})
	await(t, "the file's revision", func() bool { return revision() == 3 })
	apply(t, c, &placement.Document{Revision: 9, Serving: p.place(9, 1, rng)})
	p.publish(&placement.Document{Revision: 4, Serving: p.place(4, 1, rng)})
	time.Sleep(1500 * time.Millisecond) // more than a poll
	if got := revision(); got != 9 {
		t.Errorf("revision %d, want 9", got)
	}
	p.publish(&placement.Document{Revision: 10, Serving: p.place(10, 1, rng)})
	await(t, "the newer file", func() bool { return revision() == 10 })
}

func TestMetricsCountTheWork(t *testing.T) {
	dir := sharedModel(t)
	p := newPool(t, dir, 1)
	d := p.router(nil)
	rng := rand.New(rand.NewPCG(1, 1))
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rng)}
	p.publish(doc)
	d.Apply(doc)
	w := newReference(t, dir).work(t, rng, 5, 3)
	w.layer = 1
	if err := d.Do(context.Background(), w.layer, w.x, w.rows, w.ids, w.want); err != nil {
		t.Fatal(err)
	}
	_, body := get(t, p.nodes[0].http+"/metrics")
	for _, line := range []string{
		`olmoe_expert_tokens_total{layer="1"} 5`, `olmoe_expert_rows_total{layer="1"} 15`, `olmoe_expert_tokens_total{layer="0"} 0`,
		"olmoe_expert_held 16", "olmoe_expert_wanted 16", "olmoe_expert_batches_total 1", "olmoe_expert_frames_total 1",
		"olmoe_expert_held_bytes 196608", "olmoe_expert_loaded_bytes_total 196608",
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("metrics have no line %s", line)
		}
	}
}

// ownModel is a checkpoint that the test may damage.
func ownModel(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := synth.Write(dir, tiny()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The weights change under a running node: it ends with an error that says so,
// and the router's call waits instead of getting a wrong answer.
func TestModelChangedEndsTheNode(t *testing.T) {
	tests := []struct {
		name   string
		change func(path string) error
	}{
		{"written", func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			_, err = f.WriteAt([]byte{1, 2, 3, 4}, 200_000)
			return err
		}},
		{"truncated", func(path string) error { return os.Truncate(path, 20_000) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := ownModel(t)
			ref := newReference(t, sharedModel(t))
			p := newPool(t, dir, 1)
			d := p.router(func(o *dispatch.Options) { o.MaxWait = 3 * time.Second })
			rng := rand.New(rand.NewPCG(1, 1))
			doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rng)}
			p.publish(doc)
			d.Apply(doc)
			w := ref.work(t, rng, 4, 8)
			if err := w.do(context.Background(), d); err != nil {
				t.Fatal(err)
			}
			if err := tt.change(filepath.Join(dir, "model.safetensors")); err != nil {
				t.Fatal(err)
			}
			var err error
			await(t, "calls end with an error", func() bool { err = w.do(context.Background(), d); return err != nil && !errors.Is(err, errWrong) })
			if !errors.Is(err, dispatch.ErrNotReady) {
				t.Errorf("the call's error is %v, want ErrNotReady", err)
			}
			if err := p.nodes[0].wait(t); !errors.Is(err, checkpoint.ErrChanged) || !strings.Contains(err.Error(), "model.safetensors") {
				t.Errorf("the node ended with %v, want ErrChanged that names the file", err)
			}
		})
	}
}

// A weight that is not a number is found when it is loaded, and named.
func TestNaNWeightEndsTheNode(t *testing.T) {
	dir := ownModel(t)
	path := filepath.Join(dir, "model.safetensors")
	ck, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	const name = "model.layers.1.mlp.experts.3.up_proj.weight"
	tensor, err := ck.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	weights := append([]byte(nil), tensor.Data...)
	_ = ck.Close()
	raw, err := os.ReadFile(path) //nolint:gosec // a test's own file
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(raw), string(weights)) + 2*77
	bits := uint16(math.Float32bits(float32(math.NaN())) >> 16)
	raw[at], raw[at+1] = byte(bits), byte(bits>>8)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPool(t, dir, 1)
	p.publish(&placement.Document{Revision: 1, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))})
	err = p.nodes[0].wait(t)
	if !errors.Is(err, checkpoint.ErrInvalid) || !strings.Contains(err.Error(), name) {
		t.Errorf("the node ended with %v, want ErrInvalid that names %s", err, name)
	}
}

func TestRunWithoutAModel(t *testing.T) {
	p := start(t, filepath.Join(t.TempDir(), "nothing"), "a", "", "127.0.0.1:0")
	if err := p.wait(t); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}
