package main

import (
	"errors"
	"strings"
	"testing"
)

// TestOperatorRefuses: what can never work ends at once, with what to do.
func TestOperatorRefuses(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("POD_NAME", "")
	cases := []struct {
		name, want string
		args       []string
		flags      bool
	}{
		{"no image", "--image is missing", []string{}, true},
		{"log level", "--log-level", []string{"--image=x", "--log-level=loud"}, true},
		{"no cluster", "set KUBECONFIG", []string{"--image=x"}, false},
		{"argument", `"now" is no flag`, []string{"now"}, true},
	}
	for _, c := range cases {
		cmd := newOperatorCommand()
		cmd.SetArgs(c.args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, errFlags) != c.flags {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
