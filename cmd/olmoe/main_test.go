package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestHelp: help of a command is that, of no command an error, as the command itself.
func TestHelp(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"help", "Serve OLMoE with"}, {"help plan", "Print a placement"}, {"plan --help", "Print a placement"},
	} {
		var out bytes.Buffer
		cmd := newRootCommand()
		cmd.SetOut(&out)
		cmd.SetArgs(strings.Fields(c.args))
		if err := cmd.Execute(); err != nil || !strings.HasPrefix(out.String(), c.want) || !strings.Contains(out.String(), "--help") {
			t.Errorf("%s: %v: %s", c.args, err, out.String())
		}
	}
	for _, args := range []string{"help nosuch", "help plan nosuch"} {
		cmd := newRootCommand()
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); !errors.Is(err, errFlags) || !strings.Contains(err.Error(), `"nosuch" is no command; see olmoe --help`) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestOutputThatCannotBeWritten: no command takes what it could not print for printed.
func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	for _, args := range []string{"version", "--version", "--help", "help", "plan --help"} {
		if err := run(t.Context(), full, strings.Fields(args)); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: %v", args, err)
		}
	}
}
