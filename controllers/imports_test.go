package controllers_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The operator computes no token: what the pods are made of is not in its packages, not
// even through others, and a kernel that cannot start is no reason for it not to.
func TestOperatorHasNoArithmetic(t *testing.T) {
	const module = "github.com/olmoe-serving/olmoe-operator/"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, module+"internal/fleet") {
		t.Fatalf("go list tells %d packages, internal/fleet is not among them", len(deps))
	}
	for _, name := range []string{"internal/kernels", "internal/model", "internal/checkpoint", "internal/podctl", "router", "expertnode"} {
		if slices.Contains(deps, module+name) {
			t.Errorf("the controllers import %s", name)
		}
	}
}
