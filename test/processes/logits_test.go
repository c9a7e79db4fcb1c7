package processes_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// A prompt that leaves no room for all greedy tokens gets those that fit, and it is said.
func TestGreedyTokensAtTheEndOfTheContext(t *testing.T) {
	dir, small := t.TempDir(), synth.Tiny()
	small.MaxPositions = 64
	if err := synth.Write(filepath.Join(dir, "small"), small); err != nil {
		t.Fatal(err)
	}
	var prompts []string
	for name, n := range map[string]int{"short": 2, "long": small.MaxPositions - 3} {
		prompts = append(prompts, fmt.Sprintf(`{"name": %q, "token_ids": [1%s]}`, name, strings.Repeat(", 2", n-1)))
	}
	file := filepath.Join(dir, "prompts.json")
	if err := os.WriteFile(file, []byte(`{"prompts": [`+strings.Join(prompts, ",")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(programtest.Path(t), "logits", "--model", filepath.Join(dir, "small"), "--workers", "1", "--out", dir, "--prompts", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var greedy map[string][]int32
	b, err := os.ReadFile(filepath.Join(dir, "greedy.json"))
	if err != nil || json.Unmarshal(b, &greedy) != nil {
		t.Fatalf("%v: %s", err, b)
	}
	for name, want := range map[string]int{"short": 32, "long": 3} {
		said := strings.Contains(string(out), fmt.Sprintf("prompt %s: %d greedy tokens instead of 32", name, want))
		if len(greedy[name]) != want || said == (want == 32) {
			t.Errorf("%s: %d tokens, said: %s", name, len(greedy[name]), out)
		}
	}
}
