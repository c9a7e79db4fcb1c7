package main

import (
	"bytes"
	"strings"
	"testing"
)

// What a router reads that is no flag is in its help, too.
func TestRouterHelpNamesTheAPIKey(t *testing.T) {
	var out bytes.Buffer
	cmd := newRootCommand()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"router", "--help"})
	if err := cmd.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), "OLMOE_API_KEY") {
		t.Errorf("%v: %s", err, out.String())
	}
}
