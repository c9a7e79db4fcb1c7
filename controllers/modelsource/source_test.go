package modelsource

import (
	"path"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cases := []struct{ source, path, claim, sub, name string }{
		{"file:///m", "/m", "", "", "m"},
		{"file:///var/lib//olmoe/./demo/", "/var/lib/olmoe/demo", "", "", "demo"},
		{"pvc://claim", "", "claim", "", "claim"},
		{"pvc://claim/", "", "claim", "", "claim"},
		{"pvc://claim/a/b/", "", "claim", "a/b", "b"},
		{"pvc://claim/../../a", "", "claim", "a", "a"},
	}
	for _, c := range cases {
		s := Parse(c.source)
		if s != (Source{c.path, c.claim, c.sub}) || s.Name() != c.name {
			t.Errorf("%s: %+v, name %q; want %q, %q, %q, %q", c.source, s, s.Name(), c.path, c.claim, c.sub, c.name)
		}
	}
}

// FuzzParse: whatever the source, no path leaves its root, and there is a name.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"file:///m", "pvc://claim/a/b", "pvc://claim/../x", "pvc://", "file://", "", "pvc:///../..", "x://y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		s := Parse(source)
		if s.HostPath != "" && (!path.IsAbs(s.HostPath) || path.Clean(s.HostPath) != s.HostPath) {
			t.Fatalf("%q: host path %q", source, s.HostPath)
		}
		if path.IsAbs(s.SubPath) || s.SubPath == ".." || strings.HasPrefix(s.SubPath, "../") {
			t.Fatalf("%q: sub path %q", source, s.SubPath)
		}
		if s.Name() == "" {
			t.Fatalf("%q: no name", source)
		}
	})
}
