package local

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

func testOptions(nodes int) Options {
	return Options{Model: "/m", Weights: "int8", Cache: "off", ExpertNodes: nodes, Replicas: 1, Workers: 2, LogLevel: "info", Stderr: os.Stderr}
}

// A pool is there when each node has said where it listens, and the placement that it reads
// names those addresses; its end leaves no process and no file.
func TestStartPool(t *testing.T) {
	t.Setenv(child, "serves")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := StartPool(ctx, &checkpoint.Config{NumLayers: 2, NumExperts: 4}, testOptions(2))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(p.Placement)
	if err != nil {
		t.Fatal(err)
	}
	var doc placement.Document
	if err := json.Unmarshal(raw, &doc); err != nil || doc.Revision != 1 || doc.Serving.Epoch != 1 || doc.Target.Epoch != 1 {
		t.Errorf("placement %s, %v", raw, err)
	}
	for i, want := range []string{"expert-node-0", "expert-node-1"} {
		// The child says its name where its address belongs.
		if n := doc.Serving.Nodes[i]; n.Name != want || n.Address != want || p.Nodes[i].GRPC != want {
			t.Errorf("node %d: %+v at %+v", i, n, p.Nodes[i])
		}
	}
	cancel()
	p.Wait()
	p.Close()
	if _, err := os.Stat(p.Placement); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the placement is left: %v", err)
	}
}

// Nodes that cannot be started end the start, and what it had made.
func TestStartPoolFails(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for does, want := range map[string]string{"hopeless": "the expert-node-", "serves": "replicas"} {
		t.Setenv(child, does)
		o := testOptions(2)
		o.Replicas = 3 // of which two nodes hold two
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := StartPool(ctx, &checkpoint.Config{NumLayers: 2, NumExperts: 4}, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error about %s", does, err, want)
		}
		cancel()
		if left, _ := os.ReadDir(tmp); len(left) > 0 {
			t.Errorf("%s: %v is left", does, left)
		}
	}
}

// A node is told what the pool's options say.
func TestNodeArgs(t *testing.T) {
	p := &Pool{opts: testOptions(1), Placement: "/p.json"}
	want := "expert-node --name n --listen :1 --http :2 --model /m --weights int8 --weights-cache off --placement /p.json --workers 2 --log-level info --drain-timeout 5s"
	if got := strings.Join(p.nodeArgs("n", ":1", ":2"), " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
