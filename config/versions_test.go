package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

var versionLabels = regexp.MustCompile(`(?m)^ +(helm\.sh/chart|app\.kubernetes\.io/version): "?([^"\n]*)"?$`)

// TestVersionsWithBuildMetadata: a "+" in a version, as in those that Flux makes of commits, is
// neither in labels nor in the image's tag, where it is not allowed.
func TestVersionsWithBuildMetadata(t *testing.T) {
	helm, dir := tool(t, "HELM"), t.TempDir()
	for _, build := range []string{"+git.abc", "+" + strings.Repeat("0123456789abcdef", 4), "-rc." + strings.Repeat("1", 37) + "+a"} {
		version := "0.1.0" + build
		output(t, helm, "package", "../charts/olmoe-operator", "--version", version, "--app-version", version, "--destination", dir)
		out := output(t, helm, "template", "x", filepath.Join(dir, "olmoe-operator-"+version+".tgz"), "--set", "monitoring.enabled=true")
		labels := versionLabels.FindAllStringSubmatch(out, -1)
		if len(labels) < 20 {
			t.Errorf("version %s: only %d labels have it", version, len(labels))
		}
		for _, label := range labels {
			if bad := validation.IsValidLabelValue(label[2]); bad != nil {
				t.Errorf("version %s: label %s is %q: %v", version, label[1], label[2], bad)
			}
		}
		if want := "olmoe:" + strings.ReplaceAll(version, "+", "_") + "\"\n"; !strings.Contains(out, want) {
			t.Errorf("version %s: no image ends in %s", version, want)
		}
	}
}
