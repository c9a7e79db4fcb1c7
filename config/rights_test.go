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
	read := false
	for _, rule := range rules(t) {
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

// TestPodsAreReadFromTheCache: a cache lists and watches; nothing reads one pod of a user.
func TestPodsAreReadFromTheCache(t *testing.T) {
	for _, rule := range rules(t) {
		if slices.Contains(rule.Resources, "pods") && !slices.Equal(rule.Verbs, []string{"list", "watch", "delete"}) {
			t.Errorf("the operator may %v pods", rule.Verbs)
		}
	}
}

// rules of the operator's ClusterRole.
func rules(t *testing.T) []rbacv1.PolicyRule {
	t.Helper()
	raw, err := os.ReadFile("rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(raw, &role); err != nil {
		t.Fatal(err)
	}
	return role.Rules
}
