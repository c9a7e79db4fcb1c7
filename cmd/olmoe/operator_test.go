package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
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

// TestOperatorAddresses: an address that the operator cannot have is named with its flag, before
// the cluster is asked anything.
func TestOperatorAddresses(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte(`{"clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
		"contexts": [{"name": "a", "context": {"cluster": "a"}}], "current-context": "a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", config)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct{ metrics, probes, want string }{
		{taken.Addr().String(), "0", "cannot listen: --metrics-bind-address: listen tcp4 " + taken.Addr().String()},
		{"0", taken.Addr().String(), "cannot listen: --health-probe-bind-address: listen tcp4 " + taken.Addr().String()},
		{"0", "", "cannot listen: --health-probe-bind-address: the address is empty"},
		{"127.0.0.1:0", "0", "operator: "}, // no API server
	} {
		cmd := newOperatorCommand()
		cmd.SetArgs([]string{"--image=x", "--log-level=error", "--metrics-bind-address=" + c.metrics, "--health-probe-bind-address=" + c.probes})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		if err := cmd.ExecuteContext(t.Context()); !strings.HasPrefix(fmt.Sprint(err), c.want) {
			t.Errorf("%+v: %v", c, err)
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
