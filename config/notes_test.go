package config

import (
	"strings"
	"testing"
)

// TestNotes: the commands that Helm prints after an installation reach a namespace where the
// operator looks.
func TestNotes(t *testing.T) {
	for namespaces, option := range map[string]string{`[]`: "", `["team-b", "team-a"]`: " -n team-b"} {
		out := output(t, tool(t, "HELM"), "install", "x", "../charts/olmoe-operator", "--dry-run=client", "--set-json", "watchNamespaces="+namespaces)
		for _, want := range []string{"  kubectl apply" + option + " -f - <<YAML\n", "  kubectl get" + option + " olmoe demo --watch\n"} {
			if !strings.Contains(out, want) {
				_, notes, _ := strings.Cut(out, "NOTES:")
				t.Errorf("watchNamespaces %s: the notes lack %q:\n%s", namespaces, want, notes)
			}
		}
	}
}
