package router_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// A router tells the truth about itself, and a drain loses no accepted request.
func TestReadyThenDrainWithoutLoss(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file)
	r.await(t, "/health", http.StatusOK)
	if body := r.await(t, "/ready", http.StatusServiceUnavailable); body == "" {
		t.Error("not ready without a reason")
	}
	if err := os.WriteFile(file, []byte(`{"revision": 1`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.awaitReason(t, "refused: "+file+": placement document: unexpected end of JSON")
	node(t, dir, file)
	r.await(t, "/ready", http.StatusOK)
	if body := r.await(t, "/v1/models", http.StatusOK); !strings.Contains(body, `"tiny"`) {
		t.Errorf("models: %s", body)
	}

	if body := r.await(t, "/metrics", http.StatusOK); !strings.Contains(body, `olmoe_pod_info{kernels="`) || !strings.Contains(body, "olmoe_engine_kv_pages") {
		t.Errorf("metrics: %s", body)
	}

	stream := r.stream(t, 500)
	first := make([]byte, 1)
	if _, err := io.ReadFull(stream, first); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if body := r.await(t, "/ready", http.StatusServiceUnavailable); !strings.Contains(body, "draining") {
		t.Errorf("while draining: %s", body)
	}
	rest, err := io.ReadAll(stream)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(rest)), "data: [DONE]") {
		t.Errorf("the stream that was open: %v, ends %q", err, rest[max(0, len(rest)-100):])
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// What a drain has no time for is told so: a stream by an event, other requests by their
// status. None ends with a broken connection.
func TestDrainThatRunsOutOfTime(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	node(t, dir, file)
	r := start(t, dir, file, func(o *router.Options) { o.MaxSequences, o.DrainDelay, o.DrainTimeout = 1, 0, time.Millisecond })
	r.await(t, "/ready", http.StatusOK)
	stream := r.stream(t, 2000)
	if _, err := io.ReadFull(stream, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan int, 1)
	go func() { // behind the stream, of which one runs at once
		resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": [1], "max_tokens": 1}`))
		if err != nil {
			waiting <- 0
			return
		}
		_ = resp.Body.Close()
		waiting <- resp.StatusCode
	}()
	r.awaitMetric(t, "olmoe_engine_queued_sequences 1")
	r.stop()
	rest, err := io.ReadAll(stream)
	events := strings.Split(strings.TrimSpace(string(rest)), "\n\n")
	if last := events[len(events)-1]; err != nil || !strings.Contains(last, `"code":"service_unavailable"`) || !strings.Contains(last, "shutting down") {
		t.Errorf("the stream: %v, ends %q", err, last)
	}
	if status := <-waiting; status != http.StatusServiceUnavailable {
		t.Errorf("the request that waits: status %d, want 503", status)
	}
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "2 sequences") {
		t.Errorf("Run: %v, want an error that says how many were cut off", err)
	}
}

// describe asks a router's control port.
func describe(ctx context.Context, address string) (*controlpb.DescribeResponse, error) {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return controlpb.NewControlClient(conn).Describe(ctx, &controlpb.DescribeRequest{})
}

// While its model loads a router answers as the API does, and counts it. It answers the
// operator, too, which else would take it for one that it cannot reach.
func TestAnswersWhileTheModelLoads(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	announce := func(address, control string) error { // the model is opened after it
		if d, err := describe(ctx, control); err != nil || d.GetMessage() != "loading the model" || d.GetRole() != "router" || d.GetModel() != nil || d.GetReady() {
			t.Errorf("the control port: %v, %v", d, err)
		}
		r := &running{url: "http://" + address}
		for path, want := range map[string]struct {
			status int
			text   string
		}{
			"/health": {200, `"ok"`}, "/ready": {503, `"reason":"loading the model"`}, "/v1/models": {503, `"code":"service_unavailable"`},
			"/debug/load": {503, `"code":"service_unavailable"`}, "/nope": {404, `"code":"unknown_url"`},
		} {
			if code, text := r.status(t, path); code != want.status || !strings.Contains(text, want.text) {
				t.Errorf("%s: %d %s, want %d with %s", path, code, text, want.status, want.text)
			}
		}
		if _, text := r.status(t, "/metrics"); !strings.Contains(text, `olmoe_http_requests_total{code="503",path="/v1/models"} 1`) {
			t.Errorf("metrics: %s", text)
		}
		cancel()
		return errors.New("seen enough")
	}
	err := router.Run(ctx, router.Options{CoreOptions: router.CoreOptions{Model: model(t), Log: logr.Discard(), Limits: engine.Limits{MaxQueue: 8}},
		Listen: "127.0.0.1:0", Control: "127.0.0.1:0", Announce: announce})
	if err == nil || err.Error() != "seen enough" {
		t.Errorf("Run: %v", err)
	}
}

func TestModelThatChangesEndsTheRouter(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file)
	r.await(t, "/v1/models", http.StatusOK)
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 4096); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.done:
		if !errors.Is(err, checkpoint.ErrChanged) || !strings.Contains(err.Error(), "model.safetensors") {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still serving")
	}
}

func TestModelThatIsNotThere(t *testing.T) {
	err := router.Run(context.Background(), router.Options{
		CoreOptions: router.CoreOptions{Model: "/nonexistent", Log: logr.Discard()},
		Listen:      "127.0.0.1:0", Control: "127.0.0.1:0", Announce: func(string, string) error { return nil },
	})
	if !errors.Is(err, checkpoint.ErrNotFound) || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("Run: %v", err)
	}
}

// However far a core comes before it fails, nothing of it stays.
func TestCoresThatCannotBeOpened(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tt := range []struct {
		name, want string
		ctx        context.Context
		change     func(*router.CoreOptions)
	}{
		{"a KV cache of an unknown form", "f7", t.Context(), func(o *router.CoreOptions) { o.KVType = "f7" }},
		{"interrupted while it reads", "canceled", stopped, func(*router.CoreOptions) {}},
		{"a KV cache larger than any memory", "KV cache", t.Context(), func(o *router.CoreOptions) { o.KVBytes = 1 << 62 }},
	} {
		o := router.CoreOptions{Model: model(t), Log: logr.Discard(), Limits: engine.Limits{MaxSequences: 1, MaxRows: 1, KVBytes: 1 << 20}}
		tt.change(&o)
		core, err := router.Open(tt.ctx, o)
		if core != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: opened %+v, %v", tt.name, core, err)
		}
		if maps, err := os.ReadFile("/proc/self/maps"); err == nil && strings.Contains(string(maps), o.Model) { // Linux
			t.Errorf("%s: the checkpoint is still mapped", tt.name)
		}
	}
}

// A file that is there and cannot be read ends a router with its own kind of error, also where
// it might be missing.
func TestFilesOfTextThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		target    string
		want, not error
	}{
		"tokenizer.json":          {"../gone", checkpoint.ErrDangling, checkpoint.ErrInvalid},
		"special_tokens_map.json": {"../gone", checkpoint.ErrDangling, checkpoint.ErrInvalid},
		"tokenizer_config.json":   {"/dev/zero", checkpoint.ErrInvalid, checkpoint.ErrNotFound},
	} {
		dir := model(t)
		path := filepath.Join(dir, name)
		_ = os.Remove(path)
		if err := os.Symlink(c.target, path); err != nil {
			t.Fatal(err)
		}
		if err := <-start(t, dir, "").done; !errors.Is(err, c.want) || errors.Is(err, c.not) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
