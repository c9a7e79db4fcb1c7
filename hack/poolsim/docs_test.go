package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "docs"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocumentedMetricsExist: what docs/scaling.md tells autoscalers to look at is
// among what the programs export.
func TestDocumentedMetricsExist(t *testing.T) {
	known := read(t, "reference", "metrics.md")
	names := regexp.MustCompile(`olmoe_[a-z_]+[a-z]`).FindAllString(read(t, "scaling.md"), -1)
	if len(names) < 8 {
		t.Fatalf("only %v are named: the test does not read the page", names)
	}
	for _, name := range names {
		if !strings.Contains(known, "`"+name+"`") {
			t.Errorf("docs/scaling.md names %s, which docs/reference/metrics.md does not", name)
		}
	}
}

// TestDocumentedManifests: every manifest is YAML, and those whose types are known
// here have no field that does not exist.
func TestDocumentedManifests(t *testing.T) {
	strict := map[string]any{"OLMoEDeployment": &v1alpha1.OLMoEDeployment{}, "HorizontalPodAutoscaler": &autoscalingv2.HorizontalPodAutoscaler{}}
	seen := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, "scaling.md"), -1) {
		var object struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal([]byte(block[1]), &object); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
		seen[object.Kind] = true
		if typed := strict[object.Kind]; typed != nil {
			if err := yaml.UnmarshalStrict([]byte(block[1]), typed); err != nil {
				t.Errorf("%s: %v", object.Kind, err)
			}
		}
	}
	for _, kind := range []string{"OLMoEDeployment", "HorizontalPodAutoscaler", "ScaledObject"} {
		if !seen[kind] {
			t.Errorf("docs/scaling.md has no %s", kind)
		}
	}
}

// TestDocumentedPlots: every picture of the pages is there, and each that is there is shown.
func TestDocumentedPlots(t *testing.T) {
	shown := map[string]bool{}
	for _, page := range []string{"scaling.md", "performance.md"} {
		links := regexp.MustCompile(`\]\(img/([^)]+)\)`).FindAllStringSubmatch(read(t, page), -1)
		if len(links) < 3 {
			t.Errorf("docs/%s shows %d pictures: the test does not read the page", page, len(links))
		}
		for _, link := range links {
			read(t, "img", link[1])
			shown[link[1]] = true
		}
	}
	files, err := os.ReadDir(filepath.Join("..", "..", "docs", "img"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !shown[f.Name()] {
			t.Errorf("docs/img/%s is on neither page", f.Name())
		}
	}
}

// TestDocumentedTables: every documented day has its row, and there are no others: the
// tables are of one run.
func TestDocumentedTables(t *testing.T) {
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, "scaling.md")
	for _, s := range o.days {
		if n := strings.Count(page, "\n| "+s.short()+" | "); n != 1 {
			t.Errorf("docs/scaling.md has %d rows of %q, want 1", n, s.short())
		}
	}
	for _, mark := range []string{"days", "other days", "together"} {
		if _, err := replace(page, mark, ""); err != nil {
			t.Error(err)
		}
	}
}
