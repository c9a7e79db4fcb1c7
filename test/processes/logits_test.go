package processes_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// A prompt that leaves no room for all greedy tokens gets those that fit, and it is said. The
// last one needs no position of its own, and is that of a model with a longer context.
func TestGreedyTokensAtTheEndOfTheContext(t *testing.T) {
	lengths := map[string]int{"short": 2, "just": 33, "long": 61, "full": 64}
	ends, said := greedyTokens(t, 64, lengths)
	whole, _ := greedyTokens(t, 128, lengths)
	for name, want := range map[string]int{"short": 32, "just": 32, "long": 4, "full": 1} {
		if !slices.Equal(ends[name], whole[name][:want]) {
			t.Errorf("%s: %v, want the first %d of %v", name, ends[name], want, whole[name])
		}
		if strings.Contains(said, fmt.Sprintf("prompt %s: %d greedy tokens instead of 32", name, want)) == (want == 32) {
			t.Errorf("%s: said: %s", name, said)
		}
	}
}

// greedyTokens are those that olmoe logits writes for prompts of such lengths, and what it says.
func greedyTokens(t *testing.T, positions int, lengths map[string]int) (greedy map[string][]int32, said string) {
	t.Helper()
	dir, small := t.TempDir(), synth.Tiny()
	small.MaxPositions = positions
	if err := synth.Write(filepath.Join(dir, "small"), small); err != nil {
		t.Fatal(err)
	}
	var prompts []string
	for name, n := range lengths {
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
	b, err := os.ReadFile(filepath.Join(dir, "greedy.json"))
	if err != nil || json.Unmarshal(b, &greedy) != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return greedy, string(out)
}
