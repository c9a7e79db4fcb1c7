package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// tiny writes a small checkpoint.
func tiny(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	if err := synth.Write(dir, synth.Tiny()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestInterruptedAtOnce: however early an interrupt comes, it ends what serves without an
// error, and what has a result with one that says so.
func TestInterruptedAtOnce(t *testing.T) {
	model, prompts := tiny(t), filepath.Join(t.TempDir(), "prompts.json")
	if err := os.WriteFile(prompts, []byte(`{"prompts": [{"name": "a", "token_ids": [1]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"<nil>", []string{"up", "--listen", "127.0.0.1:0"}},
		{"<nil>", []string{"router", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}},
		{"<nil>", []string{"expert-node", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}},
		{"interrupted", []string{"logits", "--prompts", prompts, "--out", t.TempDir()}},
		{"interrupted", []string{"bench", "--json"}},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		var out bytes.Buffer
		cmd := newRootCommand()
		cmd.SetOut(&out)
		cmd.SetArgs(append(c.args, "--model", model, "--workers", "1"))
		if got := fmt.Sprint(cmd.ExecuteContext(ctx)); got != c.want || out.Len() > 0 {
			t.Errorf("%s: %s, %q; want %s", c.args[0], got, out.String(), c.want)
		}
	}
}
