// Command refdocs writes the reference of the API as Markdown, from the CRDs:
// refdocs CRD.yaml... >docs/reference/api.md
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	apiext "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refdocs:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, files []string) error {
	fmt.Fprint(out, "# API reference\n\nMade by `make generate` from the CRDs in `config/crd`; do not edit.\n")
	for _, file := range files {
		raw, err := os.ReadFile(file) //nolint:gosec // the files that the caller names
		if err != nil {
			return err
		}
		var crd apiext.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(raw, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		write(out, &crd)
	}
	return nil
}

func write(out io.Writer, crd *apiext.CustomResourceDefinition) {
	for _, v := range crd.Spec.Versions {
		root := v.Schema.OpenAPIV3Schema
		fmt.Fprintf(out, "\n## %s\n\n`%s/%s`", crd.Spec.Names.Kind, crd.Spec.Group, v.Name)
		if len(crd.Spec.Names.ShortNames) > 0 {
			fmt.Fprintf(out, ", short name `%s`", strings.Join(crd.Spec.Names.ShortNames, "`, `"))
		}
		fmt.Fprintf(out, "\n\n%s\n", line(root.Description))
		for _, part := range []string{"spec", "status"} {
			p := root.Properties[part]
			fmt.Fprintf(out, "\n### %s.%s\n\n| Field | Type | Default | Meaning |\n|---|---|---|---|\n", crd.Spec.Names.Kind, part)
			fields(out, "", &p)
		}
		rules(out, root)
	}
}

// fields writes a row for each field below p. Kubernetes' own types (they have
// descriptions that start with a capital letter and deep trees) are one row.
func fields(out io.Writer, prefix string, p *apiext.JSONSchemaProps) {
	for _, name := range names(p) {
		f := p.Properties[name]
		required := ""
		if slices.Contains(p.Required, name) {
			required = " (required)"
		}
		fmt.Fprintf(out, "| `%s%s` | %s%s | %s | %s |\n", prefix, name, typeOf(&f), required, def(&f), line(f.Description))
		switch {
		case foreign[name]:
		case len(f.Properties) > 0:
			fields(out, prefix+name+".", &f)
		case f.Items != nil && f.Items.Schema != nil && len(f.Items.Schema.Properties) > 0:
			fields(out, prefix+name+"[].", f.Items.Schema)
		}
	}
}

// foreign fields have a type of Kubernetes, described there.
var foreign = map[string]bool{"affinity": true, "tolerations": true, "conditions": true, "routerSelector": true}

func names(p *apiext.JSONSchemaProps) []string {
	var out []string
	for name := range p.Properties {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func typeOf(f *apiext.JSONSchemaProps) string {
	t := f.Type
	switch {
	case f.XIntOrString:
		t = "integer or string"
	case f.Items != nil && f.Items.Schema != nil:
		t = "list of " + typeOf(f.Items.Schema)
	case f.AdditionalProperties != nil:
		t = "map"
	}
	if len(f.Enum) > 0 {
		var values []string
		for _, v := range f.Enum {
			values = append(values, strings.Trim(string(v.Raw), `"`))
		}
		t += ": " + strings.Join(values, ", ")
	}
	if f.Minimum != nil && f.Maximum != nil {
		t += fmt.Sprintf(", %.0f to %.0f", *f.Minimum, *f.Maximum)
	}
	return t
}

func def(f *apiext.JSONSchemaProps) string {
	if f.Default == nil || string(f.Default.Raw) == "{}" {
		return ""
	}
	return "`" + strings.Trim(string(f.Default.Raw), `"`) + "`"
}

// rules lists what the API server refuses beyond types and ranges.
func rules(out io.Writer, root *apiext.JSONSchemaProps) {
	var all []string
	collect(root, &all)
	slices.Sort(all)
	fmt.Fprint(out, "\nRefused by the API server, besides wrong types and ranges:\n\n")
	for _, message := range slices.Compact(all) {
		fmt.Fprintf(out, "- %s\n", message)
	}
}

func collect(p *apiext.JSONSchemaProps, all *[]string) {
	for _, rule := range p.XValidations {
		*all = append(*all, line(rule.Message))
	}
	for _, name := range names(p) {
		f := p.Properties[name]
		collect(&f, all)
	}
}

func line(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
