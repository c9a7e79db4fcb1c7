// Package version says which build this is.
package version

import "runtime/debug"

// version is set by the build (-ldflags "-X …/internal/version.version=v1.2.3").
var version string

// String is the release the program was built as, or the commit, or "dev".
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "dev"
}
