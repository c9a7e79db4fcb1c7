// Package golden_test compares what router and expert-node processes compute with
// an independent implementation's golden vectors, and with each other to the bit.
package golden_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

func TestMain(m *testing.M) {
	code := m.Run()
	programtest.Remove()
	os.Exit(code)
}

// logits runs `olmoe logits` and returns the folder of its results.
func logits(t *testing.T, model, prompts string, args ...string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.Command(programtest.Path(t), append([]string{"logits", "--model", model, "--prompts", prompts, "--out", out}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("olmoe logits: %v\n%s", err, stderr.String())
	}
	return out
}

func TestGoldens(t *testing.T) {
	root := goldentest.Path(t)
	for _, c := range []struct{ checkpoint, goldens, nodes string }{
		{"tiny", "tiny", "3"},
		{"tiny-sharded", "tiny", "2"},
		{"tiny-f32", "tiny-f32", "2"},
		{"small", "small", "2"},
	} {
		t.Run(c.checkpoint, func(t *testing.T) {
			goldens := filepath.Join(root, "goldens", c.goldens)
			prompts := filepath.Join(goldens, "goldens.json")
			out := logits(t, filepath.Join(root, "checkpoints", c.checkpoint), prompts, "--expert-nodes", c.nodes)
			for _, p := range readPrompts(t, prompts) {
				compare(t, p, load(t, filepath.Join(goldens, p.File)), load(t, filepath.Join(out, p.Name+".safetensors")))
			}
			compareGreedy(t, readPrompts(t, prompts), filepath.Join(out, "greedy.json"))
		})
	}
}

// TestBitIdentical is invariant 1: the files are equal byte for byte whatever the
// number of expert nodes and however prompts are cut into chunks.
func TestBitIdentical(t *testing.T) {
	model := t.TempDir()
	if err := synth.Write(model, synth.Tiny()); err != nil {
		t.Fatal(err)
	}
	prompts := writePrompts(t)
	for _, c := range []struct {
		weights string
		nodes   []int
	}{{"bf16", []int{1, 2, 3, 5, 8}}, {"int8", []int{1, 2, 3}}} {
		want := logits(t, model, prompts, "--weights", c.weights, "--expert-nodes", "1")
		for _, nodes := range c.nodes {
			for _, chunk := range []int{7, 256} {
				got := logits(t, model, prompts, "--weights", c.weights, "--expert-nodes", strconv.Itoa(nodes), "--chunk", strconv.Itoa(chunk),
					"--replicas-per-expert", strconv.Itoa(min(nodes, 2)))
				sameFiles(t, want, got)
			}
		}
	}
}

// writePrompts makes a prompts file with lengths around page and chunk borders.
func writePrompts(t *testing.T) string {
	t.Helper()
	type prompt struct {
		Name     string  `json:"name"`
		TokenIDs []int32 `json:"token_ids"`
	}
	var file struct {
		Prompts []prompt `json:"prompts"`
	}
	for _, n := range []int{1, 2, 16, 17, 100} {
		p := prompt{Name: "p" + strconv.Itoa(n)}
		for i := range n {
			p.TokenIDs = append(p.TokenIDs, int32((i*i*31+i*7+n)%500))
		}
		file.Prompts = append(file.Prompts, p)
	}
	b, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "prompts.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sameFiles(t *testing.T, want, got string) {
	t.Helper()
	entries, err := os.ReadDir(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 2 {
		t.Fatalf("%s holds %d files", want, len(entries))
	}
	for _, e := range entries {
		a, err := os.ReadFile(filepath.Join(want, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(got, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", e.Name())
		}
	}
}
