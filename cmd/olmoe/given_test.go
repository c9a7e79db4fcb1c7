package main

import (
	"errors"
	"strings"
	"testing"
)

// TestLogLevels: those that the help names, and no other that zap knows.
func TestLogLevels(t *testing.T) {
	for level, ok := range map[string]bool{"debug": true, "info": true, "error": true, "warn": false, "fatal": false, "INFO": false, "": false} {
		err := checkLogLevel(level)
		if ok != (err == nil) || !ok && (!errors.Is(err, errFlags) || !strings.Contains(err.Error(), "give debug, info or error")) {
			t.Errorf("%q: %v", level, err)
		}
	}
}

// TestPlanOfNoSlots: no room that is asked for is not a default.
func TestPlanOfNoSlots(t *testing.T) {
	loads := planFile(t, `{"0": [1, 2]}`)
	if _, err := runPlanCommand("--loads", loads, "--nodes", "1", "--slots", "0"); !errors.Is(err, errFlags) || !strings.Contains(err.Error(), "--slots 0: give at least one") {
		t.Errorf("%v", err)
	}
}
