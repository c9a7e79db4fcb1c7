package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/expertnode"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

func model(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	o := synth.Tiny()
	o.Layers = 2
	if err := synth.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// node runs an expert node n0 that holds everything, and writes the placement.
func node(t *testing.T, dir, file string) (address string) {
	t.Helper()
	grpc := listen(t)
	p, err := planner.Plan(planner.Request{Layers: 2, Experts: 64, Replicas: 1, Epoch: 1,
		Nodes: []placement.Node{{Name: "n0", Address: grpc.Addr().String()}}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(placement.Document{Revision: 1, Serving: p, Target: p})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- expertnode.Run(ctx, expertnode.Options{Model: dir, Name: "n0", Placement: file, GRPC: grpc, HTTP: listen(t),
			Workers: 1, DrainTimeout: 5 * time.Second, Log: logr.Discard()})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return grpc.Addr().String()
}

// running is a router under test.
type running struct {
	url  string
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, dir, file string, change ...func(*router.Options)) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, done: make(chan error, 1)}
	at := make(chan string, 1)
	o := router.Options{
		CoreOptions: router.CoreOptions{Model: dir, Name: "r0", Workers: 1, MaxWait: 5 * time.Second, Log: logr.Discard(),
			Limits: engine.Limits{MaxSequences: 8, MaxQueue: 8, MaxRows: 64, KVBytes: 16 << 20}},
		Listen: "127.0.0.1:0", Control: "127.0.0.1:0", Placement: file,
		DrainDelay: 200 * time.Millisecond, DrainTimeout: 20 * time.Second,
		Announce: func(http, _ string) error { at <- http; return nil },
	}
	for _, f := range change {
		f(&o)
	}
	go func() { r.done <- router.Run(ctx, o) }()
	t.Cleanup(cancel)
	select {
	case a := <-at:
		r.url = "http://" + a
	case err := <-r.done:
		t.Fatalf("router: %v", err)
	}
	return r
}

func (r *running) status(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(r.url + path)
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

func (r *running) await(t *testing.T, path string, want int) string {
	t.Helper()
	var code int
	var body string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if code, body = r.status(t, path); code == want {
			return body
		}
	}
	t.Fatalf("%s: %d %s, want %d", path, code, body, want)
	return ""
}

// awaitReason waits until the router says that it is not ready for this reason.
func (r *running) awaitReason(t *testing.T, want string) {
	t.Helper()
	var code int
	var body string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if code, body = r.status(t, "/ready"); code == http.StatusServiceUnavailable && strings.Contains(body, want) {
			return
		}
	}
	t.Errorf("ready: %d %s, want 503 with %q", code, body, want)
}

// awaitMetric waits for a line of the metrics.
func (r *running) awaitMetric(t *testing.T, line string) {
	t.Helper()
	body := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if body = r.await(t, "/metrics", http.StatusOK); strings.Contains(body, line+"\n") {
			return
		}
	}
	t.Fatalf("no %s in\n%s", line, body)
}

// stream opens a stream of n tokens and returns its body.
func (r *running) stream(t *testing.T, n int) io.ReadCloser {
	t.Helper()
	body, err := json.Marshal(map[string]any{"prompt": []int{1, 2, 3}, "max_tokens": n, "stream": true, "ignore_eos": true, "temperature": 0})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(r.url+"/v1/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	return resp.Body
}

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

// More sequences than may wait are never taken, not even by an idle router: that is told
// at once, for to try again would not help.
func TestMoreSequencesThanTheQueueHolds(t *testing.T) {
	dir := model(t)
	r := start(t, dir, filepath.Join(t.TempDir(), "placement.json"))
	r.await(t, "/v1/models", http.StatusOK)
	for body, param := range map[string]string{
		`{"prompt": [1], "n": 9}`:                                            "n",
		`{"prompt": [[1],[1],[1],[1],[1]], "n": 2}`:                          "n",
		`{"prompt": [[1],[1],[1],[1],[1],[1],[1],[1],[1]], "max_tokens": 1}`: "prompt",
	} {
		resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), `"param":"`+param+`"`) || !strings.Contains(string(text), "8") {
			t.Errorf("%s: status %d, %s, %v; want a 400 about %s that names the limit of 8", body, resp.StatusCode, text, err, param)
		}
	}
}

// A KV cache smaller than the model's context bounds it: what cannot end is refused before
// any work, and the longest answer that is not asked for by number ends where the cache does.
func TestTheCacheBoundsTheContext(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	node(t, dir, file)
	r := start(t, dir, file, func(o *router.Options) { o.Limits.KVBytes = 3 * 16 << 10 }) // three pages of 16 positions
	r.await(t, "/ready", http.StatusOK)
	if body := r.await(t, "/v1/models", http.StatusOK); !strings.Contains(body, `"max_model_len":48`) {
		t.Errorf("models: %s, want max_model_len 48", body)
	}
	prompt := "[1" + strings.Repeat(",2", 39) + "]"
	for body, c := range map[string]struct {
		status int
		part   string
	}{
		`{"ignore_eos": true, "prompt": ` + prompt + `, "max_tokens": 9}`:     {400, "context_length_exceeded"},
		`{"ignore_eos": true, "prompt": ` + prompt + `, "max_tokens": 8}`:     {200, `"completion_tokens":8`},
		`{"ignore_eos": true, "prompt": [1` + strings.Repeat(",2", 48) + `]}`: {400, "context_length_exceeded"},
	} {
		resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !strings.Contains(string(text), c.part) {
			t.Errorf("%s: status %d, %s, %v; want %d with %s", body, resp.StatusCode, text, err, c.status, c.part)
		}
	}
}

// An unanswerable request fails after the bound, with a reason; the router lives.
func TestExpertsThatNeverComeAreABoundedWait(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file)
	r.await(t, "/v1/models", http.StatusOK)
	began := time.Now()
	resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": [1], "max_tokens": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if took := time.Since(began); resp.StatusCode != http.StatusServiceUnavailable || took < 4*time.Second || took > 15*time.Second {
		t.Errorf("status %d after %s, want 503 after about 5 s", resp.StatusCode, took)
	}
	node(t, dir, file)
	r.await(t, "/ready", http.StatusOK)
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

// A form of the KV cache that nobody knows ends a router before it reads weights.
func TestKVCacheOfAnUnknownForm(t *testing.T) {
	core, err := router.Open(t.Context(), router.CoreOptions{Model: model(t), KVType: "f7", Log: logr.Discard()})
	if err == nil || !strings.Contains(err.Error(), "f7") {
		t.Errorf("opened %+v, %v", core, err)
	}
}
