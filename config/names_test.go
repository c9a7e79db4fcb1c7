package config

import (
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// prefix is what the names of a release's objects begin with.
func prefix(t *testing.T, release string) string {
	t.Helper()
	for key := range objects(t, output(t, tool(t, "HELM"), "template", release, "../charts/olmoe-operator")) {
		if service, ok := strings.CutPrefix(key, "Service "); ok {
			return strings.TrimSuffix(service, "-metrics")
		}
	}
	t.Fatalf("release %s has no Service", release)
	return ""
}

// TestReleaseNames: whatever Helm takes as a release's name gives names that the API server takes,
// no two releases the same ones; a short name stays as it is, because users bind roles by it.
func TestReleaseNames(t *testing.T) {
	long := "team-production-olmoe-serving-eu-west-"
	of := map[string]string{}
	for release, want := range map[string]string{
		"x": "x-olmoe-operator", "olmoe-operator": "olmoe-operator", "my-olmoe-operator-2": "my-olmoe-operator-2",
		"a-release-of-25-character":                "a-release-of-25-character-olmoe-operator",
		"olmoe-operator-of-the-team-for-inference": "olmoe-operator-of-the-team-for-inference",
		"a-release-of-26-characters":               "a-release-of-26-characters-olmoe-operato-",
		long + "blue1":                             long + "bl-",
		long + "blue2":                             long + "bl-",
		"my.release":                               "my-release-olmoe-operator-",
		"my-release":                               "my-release-olmoe-operator",
		strings.Repeat("a", 39) + ".b":             strings.Repeat("a", 39) + "-",
		strings.Repeat("a", 53):                    strings.Repeat("a", 40) + "-",
	} {
		got := prefix(t, release)
		hash, ok := strings.CutPrefix(got, want)
		if hashed := strings.HasSuffix(want, "-"); !ok || hashed != (len(hash) == 6) || !hashed && hash != "" {
			t.Errorf("release %s: names begin with %s, want %s and a hash where it was changed", release, got, want)
		}
		if bad := validation.IsDNS1035Label(got + "-leader-election"); bad != nil {
			t.Errorf("release %s: %s-leader-election: %v", release, got, bad)
		}
		if of[got] != "" {
			t.Errorf("releases %s and %s are both called %s", release, of[got], got)
		}
		of[got] = release
	}
}

// TestNamesLikeNumbers: namespaces, releases and secrets may be called 123 or 1e3, which YAML reads
// as numbers, and the API server refuses.
func TestNamesLikeNumbers(t *testing.T) {
	out := output(t, tool(t, "HELM"), "template", "4821937", "../charts/olmoe-operator", "--namespace", "12e4567",
		"--set-string", "watchNamespaces={1e3},metrics.certSecret=1e3,image.pullSecrets={123},priorityClassName=1e3,podLabels.a=1")
	for key, o := range objects(t, out) {
		notText(t, key, o)
	}
}

// notText complains of values that must be text wherever they are.
func notText(t *testing.T, path string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			notText(t, path, e)
		}
	case map[string]any:
		for key, e := range v {
			_, text := e.(string)
			_, object := e.(map[string]any)
			switch key {
			case "name", "namespace", "secretName", "app.kubernetes.io/instance", "priorityClassName", "image", "a":
				if !text && !object {
					t.Errorf("%s: %s is %v (%T)", path, key, e, e)
				}
			}
			notText(t, path+"."+key, e)
		}
	}
}

// TestServicesBeginWithALetter: before 1.36 Kubernetes refuses a Service whose name begins with a
// digit, after other objects of the release are made.
func TestServicesBeginWithALetter(t *testing.T) {
	for version, refused := range map[string]bool{"1.31.0": true, "1.35.4-gke.100": true, "1.36.0": false, "1.37.2+k3s1": false} {
		out, err := exec.CommandContext(t.Context(), tool(t, "HELM"), "template", "4821937", "../charts/olmoe-operator", "--kube-version", version).CombinedOutput()
		if said := strings.Contains(string(out), "choose another name"); refused != (err != nil) || refused != said {
			t.Errorf("Kubernetes %s: %v, want it refused: %t\n%s", version, err, refused, out)
		}
	}
}
