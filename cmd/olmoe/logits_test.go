package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// TestLogitsRefusesPrompts: what cannot be computed or written is told before anything is.
func TestLogitsRefusesPrompts(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt() // of what goes on
	model, tokens := tiny(t), strings.Repeat("1,", synth.Tiny().MaxPositions)
	for prompts, want := range map[string]string{
		`[]`: "prompts is empty",
		`[{"name": "a", "token_ids": [1]}, {"name": "a", "token_ids": [2]}]`:          `prompts[1].name "a" stands twice`,
		`[{"name": "a/b", "token_ids": [1]}]`:                                         "prompts[0].name",
		`[{"name": "a\u0000b", "token_ids": [1]}]`:                                    "prompts[0].name",
		`[{"name": "` + strings.Repeat("a", 250) + `", "token_ids": [1]}]`:            "prompts[0].name",
		`[{"name": "a", "token_ids": []}]`:                                            "prompts[0].token_ids is empty",
		`[{"name": "a", "token_ids": [1]}, {"name": "b", "token_ids": [1, 9999999]}]`: "prompts[1].token_ids has 9999999 at index 1",
		`[{"name": "a", "token_ids": [-1]}]`:                                          "prompts[0].token_ids has -1 at index 0",
		`[{"name": "a", "token_ids": [` + tokens + `1]}]`:                             "tokens, more than the",
		`[{"name": "a", "token_ids": [` + strings.TrimSuffix(tokens, ",") + `]}]`:     "interrupted",
		`[{"name": "` + strings.Repeat("a", 243) + `", "token_ids": [0]}]`:            "interrupted",
		`5`: "a JSON number at byte",
	} {
		file := planFile(t, `{"prompts": `+prompts+`}`)
		cmd := newLogitsCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"--model", model, "--prompts", file, "--out", filepath.Join(t.TempDir(), "out")})
		if got := fmt.Sprint(cmd.ExecuteContext(ctx)); !strings.Contains(got, want) || want != "interrupted" && !strings.Contains(got, file+": ") {
			t.Errorf("%.60s: %s, want %s", prompts, got, want)
		}
	}
}

// TestLogitsRefusesFolders: where no results can be written that is told, with the flag, before
// anything is computed.
func TestLogitsRefusesFolders(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt() // of what goes on
	model, file := tiny(t), planFile(t, `{"prompts": [{"name": "a", "token_ids": [1]}]}`)
	taken, again := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(taken, "a.safetensors"), 0o700); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(again, "a.safetensors")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for out, want := range map[string]string{
		"":          "bad flags: --out is missing",
		file:        "bad flags: --out: mkdir " + file + ": not a directory",
		"/proc":     "bad flags: --out: open /proc/", // even root makes no file there
		taken:       "bad flags: --out: open " + taken + "/a.safetensors: is a directory",
		again:       "interrupted",
		t.TempDir(): "interrupted",
	} {
		cmd := newLogitsCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"--model", model, "--prompts", file, "--out", out})
		if got := fmt.Sprint(cmd.ExecuteContext(ctx)); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", out, got, want)
		}
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("a run that computes nothing leaves %q, %v of a former one", b, err)
	}
}
