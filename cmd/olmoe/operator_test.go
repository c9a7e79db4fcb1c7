package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/controllers"
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

// TestOperatorStartsAnew: an operator that could work in one more namespace ends as one that
// was told to, and any other error is one.
func TestOperatorStartsAnew(t *testing.T) {
	bug := errors.New("a bug")
	for _, c := range []struct{ err, want error }{{fmt.Errorf("%w: a", controllers.ErrNamespaceBack), nil}, {bug, bug}, {nil, nil}} {
		if got := ended(c.err, logr.Discard()); got != c.want { //nolint:errorlint // the very error
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
