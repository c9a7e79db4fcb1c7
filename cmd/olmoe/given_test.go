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

// TestPlanOfNothing: a 0 that is asked for is not a default.
func TestPlanOfNothing(t *testing.T) {
	loads := planFile(t, `{"0": [1, 2]}`)
	for _, flag := range []string{"--slots", "--machines", "--max-moves", "--expert-bytes"} {
		_, err := runPlanCommand("--loads", loads, "--nodes", "1", flag, "0")
		if !errors.Is(err, errFlags) || !strings.Contains(err.Error(), flag+" 0: give at least") {
			t.Errorf("%s 0: %v", flag, err)
		}
	}
}

// TestPlanNamesTheSameFlag: of several that are wrong, the first is named each time.
func TestPlanNamesTheSameFlag(t *testing.T) {
	for range 20 {
		_, err := runPlanCommand("--max-moves", "0", "--expert-bytes", "0", "--machines", "0", "--slots", "0")
		if err == nil || !strings.Contains(err.Error(), "--slots 0") {
			t.Fatal(err)
		}
	}
}
