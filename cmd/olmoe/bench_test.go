package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestPlotsFolder: one that cannot be made is told before anything is measured.
func TestPlotsFolder(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt() // of a bench that goes on
	cmd := newBenchCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs([]string{"--model", tiny(t), "--plots", "/dev/null/plots"})
	if err := cmd.ExecuteContext(ctx); !errors.Is(err, errFlags) || !strings.Contains(err.Error(), "--plots: mkdir /dev/null") {
		t.Errorf("%v", err)
	}
}
