package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
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
	if got := first.Layers["0"]; got.Balancedness != 0.8 || got.Bound < 0.8 || got.Bound > 0.801 {
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

// TestPlanLimits: of two layers out of balance the worse is mended first, and what
// gains too little stays.
func TestPlanLimits(t *testing.T) {
	loads := planFile(t, `{"3": [5, 4, 4, 3], "5": [9, 9, 1, 1]}`)
	current := planFile(t, `{"layers": {"3": {"nodes": [[0, 1], [2, 3]]}, "5": {"nodes": [[0, 1], [2, 3]]}}}`)
	cases := []struct {
		args []string
		want string // layers of the moves
	}{
		{nil, "3355"},
		{[]string{"--max-moves", "2"}, "55"},
		{[]string{"--min-gain", "0.3"}, "55"},
		{[]string{"--min-gain", "0.5"}, ""},
	}
	for _, c := range cases {
		text, err := runPlanCommand(append([]string{"--loads", loads, "--nodes", "2", "--json", "--current", current}, c.args...)...)
		var r planResult
		if err := cmp.Or(err, json.Unmarshal([]byte(text), &r)); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range r.Moves {
			got += strconv.Itoa(m.Layer)
		}
		if got != c.want {
			t.Errorf("%v: moves of layers %q, want %q", c.args, got, c.want)
		}
	}
}

// TestPlanForms: what a move costs follows the form of the weights.
func TestPlanForms(t *testing.T) {
	loads, current := planFile(t, `{"0": [1, 1]}`), planFile(t, `{"layers": {"0": {"nodes": [[0, 1], []]}}}`)
	for _, c := range []struct{ flag, value, want string }{
		{"--weights", "bf16", "1 moves, 12582912 bytes"}, {"--weights", "int8", "1 moves, 6684672 bytes"},
		{"--expert-bytes", "7", "1 moves, 7 bytes"},
	} {
		text, err := runPlanCommand("--loads", loads, "--nodes", "2", "--current", current, c.flag, c.value)
		if err != nil || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %s, %v; want %s", c.flag, c.value, text, err, c.want)
		}
	}
}

// TestPlanReads: tokens are even, batches are not; with what reads cost, the two
// experts that are read often part.
func TestPlanReads(t *testing.T) {
	loads, active := planFile(t, `{"0": [10, 10, 10, 10]}`), planFile(t, `{"0": [10, 10, 1, 1]}`)
	current := planFile(t, `{"layers": {"0": {"nodes": [[0, 1], [2, 3]]}}}`)
	for reads, want := range map[string]string{"0": "0 moves", "2": "2 moves"} {
		text, err := runPlanCommand("--loads", loads, "--nodes", "2", "--current", current, "--activations", active, "--read-rows", reads)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("a read costs %s rows: %s, %v; want %s", reads, text, err, want)
		}
	}
}

// TestPlanMachines: with two replicas on two machines each expert is on both, and where
// there is no room for that it is told.
func TestPlanMachines(t *testing.T) {
	loads := planFile(t, `{"0": [9, 1, 1, 1, 5, 3], "7": [1, 1, 1, 1, 1, 1]}`)
	for _, c := range []struct {
		nodes, machines string
		want            int
	}{{"4", "2", 0}, {"3", "2", 4}, {"3", "1", 0}, {"4", "", -1}} {
		args := []string{"--loads", loads, "--replicas", "2", "--nodes", c.nodes}
		if c.machines != "" {
			args = append(args, "--machines", c.machines)
		}
		text, err := runPlanCommand(append(args, "--json")...)
		var r planResult
		if err := cmp.Or(err, json.Unmarshal([]byte(text), &r)); err != nil {
			t.Fatal(err)
		}
		got, told := -1, "experts have copies on fewer machines"
		if r.Crowded != nil {
			got, told = *r.Crowded, strconv.Itoa(c.want)+" "+told
		}
		text, err = runPlanCommand(args...)
		if err != nil || got != c.want || strings.Contains(text, told) != (c.want >= 0) {
			t.Errorf("%s nodes on %s machines: %d crowded, want %d: %s, %v", c.nodes, c.machines, got, c.want, text, err)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	loads := planFile(t, `{"0": [1, 2]}`)
	cases := []struct {
		name, want string
		args       []string
	}{
		{"no loads", "bad flags: --loads is missing: give a JSON file", []string{"--nodes", "2"}},
		{"no nodes", "bad flags: --nodes 0: give 1 to 65536", []string{"--loads", loads}},
		{"too many nodes", "--nodes 99999999999: give 1 to 65536", []string{"--loads", loads, "--nodes", "99999999999"}},
		{"more after it", "more after the JSON object", []string{"--loads", planFile(t, `{"0": [1, 2]} {"1": [1, 2]}`), "--nodes", "1"}},
		{"no file", "no such file", []string{"--loads", "/nonexistent", "--nodes", "2"}},
		{"too few slots", "plan.json: 2 experts", []string{"--loads", loads, "--nodes", "2", "--slots", "1"}},
		{"not JSON", "plan.json: ", []string{"--loads", planFile(t, "["), "--nodes", "2"}},
		{"layer name", `layer "x" is not a number`, []string{"--loads", planFile(t, `{"x": [1]}`), "--nodes", "1"}},
		{"negative load", "plan.json: layer 0: expert 1: -2 is not between", []string{"--loads", planFile(t, `{"0": [1, -2]}`), "--nodes", "1"}},
		{"which layer", "plan.json: layer 7: expert 0: -2", []string{"--loads", planFile(t, `{"0": [1, 2], "7": [-2, 1]}`), "--nodes", "1"}},
		{"layers differ", "layer 7 has 1 loads, layer 0 has 2", []string{"--loads", planFile(t, `{"0": [1, 2], "7": [1]}`), "--nodes", "1"}},
		{"null load", "layer 7: the load of expert 1 is null", []string{"--loads", planFile(t, `{"0": [1, 2], "7": [1, null]}`), "--nodes", "1"}},
		{"null activation", "the load of expert 0 is null", []string{"--loads", loads, "--nodes", "1", "--activations", planFile(t, `{"0": [null, 1]}`)}},
		{"no placement", "it has no layers: give a placement", []string{"--loads", loads, "--nodes", "1", "--current", planFile(t, `{"serving": {}}`)}},
		{"no layers", "it has no layers", []string{"--loads", planFile(t, `{}`), "--nodes", "1"}},
		{"negative gain", "--min-gain -1", []string{"--loads", loads, "--nodes", "1", "--min-gain", "-1"}},
		{"form", `weights "fp4"`, []string{"--loads", loads, "--nodes", "1", "--weights", "fp4"}},
		{"negative size", "--expert-bytes -1", []string{"--loads", loads, "--nodes", "1", "--expert-bytes", "-1"}},
		{"no activations", "no such file", []string{"--loads", loads, "--nodes", "1", "--activations", "/nonexistent"}},
		{"activations differ", "plan.json: layer 0 has 1 experts", []string{"--loads", loads, "--nodes", "1", "--activations", planFile(t, `{"0": [1]}`)}},
		{"negative reads", "--read-rows -1", []string{"--loads", loads, "--nodes", "1", "--activations", loads, "--read-rows", "-1"}},
		{"no replicas", "bad flags: --replicas 0: give 1 to 1, the number of --nodes", []string{"--loads", loads, "--nodes", "1", "--replicas", "0"}},
		{"negative slots", "bad flags: --slots -1 is negative", []string{"--loads", loads, "--nodes", "1", "--slots", "-1"}},
		{"too many replicas", "bad flags: --replicas 2: give 1 to 1, the number of --nodes", []string{"--loads", loads, "--nodes", "1", "--replicas", "2"}},
		{"negative machines", "bad flags: --machines -1 is negative", []string{"--loads", loads, "--nodes", "1", "--machines", "-1"}},
		{"negative moves", "--max-moves -1", []string{"--loads", loads, "--nodes", "1", "--max-moves", "-1"}},
		{"another model", "layer 0, node 1: expert 2 is not one of the 2", []string{"--loads", loads, "--nodes", "2",
			"--current", planFile(t, `{"layers": {"0": {"nodes": [[0], [2]]}}}`)}},
		{"an expert twice on a node", "plan.json: layer 3, node 1: expert 2 stands twice: keep one of them", []string{"--loads", planFile(t, `{"3": [1, 1, 1]}`), "--nodes", "2",
			"--current", planFile(t, `{"layers": {"3": {"nodes": [[0, 1], [2, 1, 2]]}}}`)}},
		{"a layer twice", `plan.json: "0" stands twice in one object: keep one of them`, []string{"--loads", planFile(t, `{"0": [1, 2], "0": [2, 1]}`), "--nodes", "1"}},
		{"a layer twice in force", `"0" stands twice`, []string{"--loads", loads, "--nodes", "1", "--current", planFile(t, `{"layers": {"0": {"nodes": [[0, 1]]}, "0": {"nodes": [[1]]}}}`)}},
		{"a layer under another name", `plan.json: layer "01" is not a number as 0, 1 or 12`, []string{"--loads", planFile(t, `{"1": [1, 2], "01": [2, 1]}`), "--nodes", "1"}},
		{"a layer with a sign", `layer "+1" is not a number as`, []string{"--loads", planFile(t, `{"+1": [2, 1]}`), "--nodes", "1"}},
		{"layers in force under other names", `plan.json: it has none of the layers of `, []string{"--loads", loads, "--nodes", "1",
			"--current", planFile(t, `{"layers": {"00": {"nodes": [[0, 1]]}}}`)}},
		{"negative activations", "plan.json: layer 0: expert 1: -1 is not between", []string{"--loads", planFile(t, `{"0": [5, 5]}`), "--nodes", "1", "--activations", planFile(t, `{"0": [1, -1]}`)}},
		{"reads without activations", "--read-rows needs --activations", []string{"--loads", loads, "--nodes", "1", "--read-rows", "2"}},
		{"endless gain", "bad flags: --min-gain +Inf", []string{"--loads", loads, "--nodes", "1", "--min-gain", "Inf"}},
		{"endless reads", "bad flags: --read-rows +Inf", []string{"--loads", loads, "--nodes", "1", "--activations", loads, "--read-rows", "Inf"}},
		{"huge reads", "--read-rows 1e+300: give 0 to 1e+09", []string{"--loads", loads, "--nodes", "1", "--activations", loads, "--read-rows", "1e300"}},
		{"huge costs", "plan.json with --read-rows 1e+09: layer 0: expert 1: 9e+23 is not between", []string{"--loads", loads, "--nodes", "1",
			"--activations", planFile(t, `{"0": [1, 9e14]}`), "--read-rows", "1e9"}},
		{"no experts", "with 0 experts", []string{"--loads", planFile(t, `{"0": []}`), "--nodes", "1"}},
	}
	for _, c := range cases {
		if _, err := runPlanCommand(c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestPlanTakesMoreThanItNeeds: bounds of moves where nothing is in force, layers that have no
// loads, and numbers of any size in fields that are none of its.
func TestPlanTakesMoreThanItNeeds(t *testing.T) {
	loads := planFile(t, `{"0": [1, 2]}`)
	current := planFile(t, `{"layers": {"0": {"nodes": [[0, 1]]}, "7": {"nodes": [[0, 1]]}}, "note": 1e999}`)
	for _, more := range [][]string{
		{"--max-moves", "2", "--min-gain", "0.1"},
		{"--current", current},
		{"--activations", planFile(t, `{"0": [1, 1], "2": [1, 1]}`)},
	} {
		if _, err := runPlanCommand(append([]string{"--loads", loads, "--nodes", "1"}, more...)...); err != nil {
			t.Errorf("%v: %v", more, err)
		}
	}
}
