package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/controllers"
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
	var role rbacv1.ClusterRole
	read(t, "rbac/role.yaml", &role)
	return role.Rules
}

// read reads the first manifest of a file.
func read(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(raw), "\n---\n")
	if err := yaml.UnmarshalStrict([]byte(first), into); err != nil {
		t.Fatal(err)
	}
}

// TestOneLeaseOnly: in a namespace that is shared, other controllers' Leases are theirs.
func TestOneLeaseOnly(t *testing.T) {
	var role rbacv1.Role
	read(t, "rbac/leader_election_role.yaml", &role)
	ownLease(t, role.Rules, controllers.LeaseName)
}

func ownLease(t *testing.T, rules []rbacv1.PolicyRule, lease string) {
	t.Helper()
	may := map[string]bool{}
	for _, rule := range rules {
		if !slices.Contains(rule.Resources, "leases") {
			continue
		}
		for _, verb := range rule.Verbs {
			may[verb] = true
			if verb != "create" && !slices.Equal(rule.ResourceNames, []string{lease}) {
				t.Errorf("the operator may %s the Leases %v, want %s alone", verb, rule.ResourceNames, lease)
			}
		}
	}
	if !may["get"] || !may["create"] || !may["update"] || len(may) != 3 {
		t.Errorf("of Leases the operator may %v", may)
	}
}
