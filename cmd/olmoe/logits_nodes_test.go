package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/local"
)

// What the environment makes of a child of a test: the program itself, whose expert nodes
// begin to load so long after they have announced themselves.
const (
	envProgram = "OLMOE_TEST_PROGRAM"
	envLoading = "OLMOE_TEST_LOADING"
)

func init() {
	if os.Getenv(envProgram) == "" {
		return
	}
	if took, err := time.ParseDuration(os.Getenv(envLoading)); err == nil && slices.Contains(os.Args, "expert-node") {
		loadSlowly(took)
	}
	main()
	os.Exit(0)
}

// loadSlowly announces an expert node that does nothing for a while, which stands for a slow
// disk: nobody but the time tells when the wait for lost experts would have ended.
func loadSlowly(took time.Duration) {
	at := map[string]string{}
	for _, flag := range []string{"--listen", "--http"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		at[flag] = l.Addr().String()
		_ = l.Close()
		os.Args[slices.Index(os.Args, flag)+1] = at[flag]
	}
	_ = local.Announce(local.Announcement{Role: "expert-node", GRPC: at["--listen"], HTTP: at["--http"]})
	_ = os.Unsetenv(envLoading) // the program starts itself again once
	time.Sleep(took)
}

// runLogits runs the command with one expert-node process, and returns what both said.
func runLogits(t *testing.T, model string, maxWait time.Duration) (string, error) {
	t.Helper()
	t.Setenv(envProgram, "1")
	t.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0") // a child that ends well waits for no reports of races
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // less than the wait for lost experts
	defer cancel()
	var said bytes.Buffer
	f := &logitsFlags{file: planFile(t, `{"prompts": [{"name": "a", "token_ids": [1, 2]}]}`), out: t.TempDir(), chunk: 8, maxWait: maxWait}
	f.Model, f.Weights, f.LogLevel, f.ExpertNodes, f.Replicas, f.Workers, f.Stderr = model, "bf16", "error", 1, 1, 1, &said
	err := writeLogits(ctx, f)
	return said.String(), err
}

// A node that cannot load ends logits with its own words, not after a wait for its experts.
func TestLogitsOfDamagedExperts(t *testing.T) {
	model := tiny(t)
	damage(t, filepath.Join(model, "model.safetensors"), "model.layers.1.mlp.experts.7.up_proj.weight")
	said, err := runLogits(t, model, defaultMaxWait)
	if want := "the expert-node-0 process ended: exit status 2 (its last words are above)"; fmt.Sprint(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
	if strings.Count(said, "\n") != 1 || !strings.Contains(said, "model.safetensors: tensor model.layers.1.mlp.experts.7.up_proj.weight") {
		t.Errorf("want one line that names the tensor: %s", said)
	}
}

// damage makes the first bf16 number of a tensor NaN.
func damage(t *testing.T, file, tensor string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 8 + binary.LittleEndian.Uint64(b)
	var header map[string]struct {
		At [2]uint64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:n], &header); err != nil || header[tensor].At[1] == 0 {
		t.Fatalf("no %s: %v", tensor, err)
	}
	binary.LittleEndian.PutUint16(b[n+header[tensor].At[0]:], 0x7fc0)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Loading may take longer than requests wait for experts that were lost. Those wait for longer
// than a router lets pass between two attempts to connect.
func TestLogitsWaitsForTheLoad(t *testing.T) {
	t.Setenv(envLoading, "2.5s")
	if said, err := runLogits(t, tiny(t), 1500*time.Millisecond); err != nil || said != "" {
		t.Errorf("%v: %s", err, said)
	}
}
