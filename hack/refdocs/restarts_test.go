package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// TestEveryFieldSaysWhatItRestarts: the table of docs/operator.md has every field of the spec, each
// once; one that is not there is in the row of the object that it belongs to.
func TestEveryFieldSaysWhatItRestarts(t *testing.T) {
	page, err := os.ReadFile("../../docs/operator.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| Field | Restarts |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var told []string
	for row := range strings.SplitSeq(table, "\n") {
		named, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		named, _, _ = strings.Cut(named, " but ") // which is in another row
		for _, name := range regexp.MustCompile("`[^`]+`").FindAllString(named, -1) {
			told = append(told, strings.Trim(name, "`"))
		}
	}
	spec := specOf(t, crds[0])
	for _, name := range names(&spec) {
		field := spec.Properties[name]
		if slices.Contains(told, name) {
			continue
		}
		below := names(&field)
		if len(below) == 0 {
			t.Errorf("docs/operator.md does not say what a change of %s restarts", name)
		}
		for _, child := range below {
			if !slices.Contains(told, name+"."+child) {
				t.Errorf("docs/operator.md does not say what a change of %s.%s restarts", name, child)
			}
		}
	}
	for i, name := range told {
		object, child, _ := strings.Cut(name, ".")
		field, ok := spec.Properties[object]
		if _, is := field.Properties[child]; !ok || child != "" && !is {
			t.Errorf("docs/operator.md says what a change of %s restarts, which is no field", name)
		}
		if slices.Contains(told[:i], name) {
			t.Errorf("docs/operator.md says twice what a change of %s restarts", name)
		}
	}
}

// specOf is the schema of a CRD's spec.
func specOf(t *testing.T, file string) apiext.JSONSchemaProps {
	t.Helper()
	raw, err := os.ReadFile(file) //nolint:gosec // one of the repository
	if err != nil {
		t.Fatal(err)
	}
	var crd apiext.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}
