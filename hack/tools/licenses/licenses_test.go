package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/licenseclassifier/v2/assets"
)

func licenseText(t *testing.T, name string) string {
	t.Helper()
	text, err := assets.ReadLicenseFile("License/" + name + "/pristine.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestModuleLicenses(t *testing.T) {
	c, err := newClassifier()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"one file", map[string]string{"LICENSE": licenseText(t, "MIT")}, []string{"MIT"}},
		{"other spelling", map[string]string{"Licence.md": licenseText(t, "BSD-3-Clause")}, []string{"BSD-3-Clause"}},
		{"two licences", map[string]string{"LICENSE": licenseText(t, "MIT"), "LICENSE-APACHE": licenseText(t, "Apache-2.0")}, []string{"Apache-2.0", "MIT"}},
		{"the same twice", map[string]string{"LICENSE": licenseText(t, "MIT"), "COPYING": licenseText(t, "MIT")}, []string{"MIT"}},
		{"none", map[string]string{"README.md": "all rights reserved"}, nil},
		{"not recognised", map[string]string{"LICENSE": "do as you please"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.moduleLicenses(dir)
			if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
				t.Errorf("got %v, error %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestDecodeModules(t *testing.T) {
	const list = `{}
{"Module": {"Path": "example.test/main", "Main": true, "Dir": "/src"}}
{"Module": {"Path": "example.test/b", "Version": "v1.0.0", "Dir": "/b"}}
{"Module": {"Path": "example.test/a", "Version": "v2.0.0", "Dir": "/a"}}
{"Module": {"Path": "example.test/b", "Version": "v1.0.0", "Dir": "/b"}}`
	got, err := decodeModules(strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range got {
		paths = append(paths, m.Path+" "+m.Version+" "+m.Dir)
	}
	if want := []string{"example.test/a v2.0.0 /a", "example.test/b v1.0.0 /b"}; !slices.Equal(paths, want) {
		t.Errorf("got %q, want %q", paths, want)
	}
	if _, err := decodeModules(strings.NewReader("{")); err == nil {
		t.Error("cut-off input: no error")
	}
}

func TestOnlyAcceptedLicences(t *testing.T) {
	if err := check(module{Path: "example.test/a", licenses: []string{"MIT", "Apache-2.0"}}); err != nil {
		t.Errorf("MIT and Apache-2.0: %v", err)
	}
	err := check(module{Path: "example.test/b", licenses: []string{"MIT", "GPL-3.0"}})
	if err == nil || !strings.Contains(err.Error(), "example.test/b") || !strings.Contains(err.Error(), "GPL-3.0") {
		t.Errorf("GPL-3.0: the error must name module and licence, got %v", err)
	}
}

func TestRunOnItself(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"."}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "| github.com/google/licenseclassifier/v2 | v2.0.0 | Apache-2.0 |"; !strings.Contains(out.String(), want) {
		t.Errorf("the table lacks %q:\n%s", want, out.String())
	}
}
