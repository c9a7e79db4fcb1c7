package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/expertnode"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
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
	return nodeAs(t, dir, checkpoint.AsStored, file)
}

// nodeAs is node with weights in some form.
func nodeAs(t *testing.T, dir string, weights checkpoint.Weights, file string) (address string) {
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
		done <- expertnode.Run(ctx, expertnode.Options{Model: dir, Weights: weights, Name: "n0", Placement: file, GRPC: grpc, HTTP: listen(t),
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
