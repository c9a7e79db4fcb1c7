package main

import (
	"strconv"
	"testing"
)

// Whatever the files say, a plan is made or refused; one that is made can be put in force.
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
		if _, err := runPlanCommand(append(args, planFile(t, text))...); err != nil {
			t.Errorf("%s cannot be put in force: %v", text, err)
		}
	})
}
