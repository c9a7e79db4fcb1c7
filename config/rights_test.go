package config

import (
	"os"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestUsersObjectIsReadOnly: the operator may not write what a user writes (invariant 5);
// the chart's role is the same (TestChartAndKustomizeAgree), and no test of the
// controllers has more rights.
func TestUsersObjectIsReadOnly(t *testing.T) {
	raw, err := os.ReadFile("rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(raw, &role); err != nil {
		t.Fatal(err)
	}
	read := false
	for _, rule := range role.Rules {
		if slices.Contains(rule.APIGroups, "*") || slices.Contains(rule.Resources, "*") || slices.Contains(rule.Verbs, "*") {
			t.Errorf("a rule for everything: %+v", rule)
		}
		if !slices.Contains(rule.Resources, "olmoedeployments") {
			continue
		}
		read = true
		for _, verb := range rule.Verbs {
			if !slices.Contains([]string{"get", "list", "watch"}, verb) {
				t.Errorf("the operator may %s OLMoEDeployments", verb)
			}
		}
	}
	if !read {
		t.Error("no rule for OLMoEDeployments: the test does not read the role")
	}
}
