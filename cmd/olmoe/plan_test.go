package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func planFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func runPlanCommand(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := newPlanCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return out.String(), err
}

// TestPlanJSON checks the contract: layers, balancedness, bound, moves, and that
// --current takes what --json prints.
func TestPlanJSON(t *testing.T) {
	loads := planFile(t, `{"0": [4, 1, 1, 2], "7": [1, 1, 1, 1]}`)
	text, err := runPlanCommand("--loads", loads, "--nodes", "2", "--slots", "4", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var first planResult
	if err := json.Unmarshal([]byte(text), &first); err != nil {
		t.Fatal(err)
	}
	if got := first.Layers["0"]; got.Balancedness != 0.8 || got.Bound != 0.8 && got.Bound != 1 {
		t.Errorf("layer 0: %+v, want the heavy expert with a light one: 4/5", got)
	}
	if got := first.Layers["7"]; got.Balancedness != 1 || got.Bound != 1 || len(got.Nodes) != 2 {
		t.Errorf("layer 7: %+v, want perfect on 2 nodes", got)
	}
	if first.Moves == nil || len(first.Moves) != 0 {
		t.Errorf("moves %v, want an empty list without --current", first.Moves)
	}
	same, err := runPlanCommand("--loads", loads, "--nodes", "2", "--slots", "4", "--json", "--current", planFile(t, text))
	if err != nil || same != text {
		t.Errorf("planned from its own result: %s, %v; want %s", same, err, text)
	}
}

func TestPlanMoves(t *testing.T) {
	current := planFile(t, `{"layers": {"3": {"nodes": [[0, 1, 2, 3], []]}}}`)
	text, err := runPlanCommand("--loads", planFile(t, `{"3": [1, 1, 1, 1]}`), "--nodes", "2", "--json", "--current", current, "--expert-bytes", "10")
	if err != nil {
		t.Fatal(err)
	}
	var r planResult
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Moves) != 2 {
		t.Fatalf("moves %v, want two", r.Moves)
	}
	for _, m := range r.Moves {
		if want := (planMove{Layer: 3, Expert: m.Expert, From: 0, To: 1, Bytes: 10}); !reflect.DeepEqual(m, want) {
			t.Errorf("%+v, want %+v", m, want)
		}
	}
}

func TestPlanText(t *testing.T) {
	text, err := runPlanCommand("--loads", planFile(t, `{"10": [1, 1], "9": [3, 1]}`), "--nodes", "2", "--slots", "4")
	if err != nil || strings.Index(text, "\n9 ") > strings.Index(text, "\n10 ") || !strings.Contains(text, "0 moves, 0 bytes") {
		t.Errorf("%s, %v; want layer 9 before layer 10, and the moves", text, err)
	}
}

func TestPlanRefuses(t *testing.T) {
	loads := planFile(t, `{"0": [1, 2]}`)
	cases := []struct {
		name, want string
		args       []string
	}{
		{"no loads", "--loads", []string{"--nodes", "2"}},
		{"no nodes", "--nodes", []string{"--loads", loads}},
		{"no file", "no such file", []string{"--loads", "/nonexistent", "--nodes", "2"}},
		{"too few slots", "layer 0: 2 experts", []string{"--loads", loads, "--nodes", "2", "--slots", "1"}},
		{"not JSON", "plan.json: ", []string{"--loads", planFile(t, "["), "--nodes", "2"}},
		{"layer name", `layer "x" is not a number`, []string{"--loads", planFile(t, `{"x": [1]}`), "--nodes", "1"}},
		{"negative load", "expert 1 is not between", []string{"--loads", planFile(t, `{"0": [1, -2]}`), "--nodes", "1"}},
		{"no experts", "layer 0", []string{"--loads", planFile(t, `{"0": []}`), "--nodes", "1"}},
	}
	for _, c := range cases {
		if _, err := runPlanCommand(c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
