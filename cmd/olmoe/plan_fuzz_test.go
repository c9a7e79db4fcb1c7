package main

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"testing"
)

// Whatever the files say, a plan is made or refused; one that is made can be put in force,
// for every expert has an owner, and be given as the one that is.
func FuzzPlan(f *testing.F) {
	f.Add(`{"0": [4, 1, 1, 2], "7": [1, 1, 1, 1]}`, `{"layers": {"0": {"nodes": [[0, 1], [2, 3]]}}}`, uint8(2), uint8(4))
	f.Add(`{"3": [5, 4, 4, 3]}`, `{"layers": {"3": {"nodes": [[0, 0, 1], [2], [3]]}}}`, uint8(3), uint8(9))
	f.Add(`{"0": [1, null]}`, `{"layers": {"0": null}}`, uint8(1), uint8(0))
	f.Add(`{"0": []}`, `{"layers": {"1": {}}, "layers": {}}`, uint8(0), uint8(1))
	f.Fuzz(func(t *testing.T, loads, current string, nodes, slots uint8) {
		args := []string{"--loads", planFile(t, loads), "--nodes", strconv.Itoa(int(nodes)), "--slots", strconv.Itoa(int(slots)), "--json", "--current"}
		text, err := runPlanCommand(append(args, planFile(t, current))...)
		if err != nil {
			return
		}
		checkOwners(t, loads, text)
		if _, err := runPlanCommand(append(args, planFile(t, text))...); err != nil {
			t.Errorf("%s cannot be the plan in force: %v", text, err)
		}
	})
}

// checkOwners: every expert that has a load is on a node, and no other is.
func checkOwners(t *testing.T, loads, plan string) {
	t.Helper()
	var layers map[string][]float64
	var result planResult
	if err := cmp.Or(json.Unmarshal([]byte(loads), &layers), json.Unmarshal([]byte(plan), &result)); err != nil {
		t.Fatal(err)
	}
	if len(result.Layers) != len(layers) {
		t.Errorf("a plan of %d layers for loads of %d", len(result.Layers), len(layers))
	}
	for key, experts := range layers {
		owned := slices.Compact(slices.Sorted(slices.Values(slices.Concat(result.Layers[key].Nodes...))))
		if len(owned) != len(experts) || len(owned) > 0 && (owned[0] != 0 || owned[len(owned)-1] != len(experts)-1) {
			t.Errorf("layer %s of %d experts: those with an owner are %v", key, len(experts), owned)
		}
	}
}
