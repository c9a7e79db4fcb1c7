package main

import (
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// TestCacheFolders: where weights are kept, how many, and what stays free where a kubelet
// watches the disk.
func TestCacheFolders(t *testing.T) {
	for flag, want := range map[string][]string{"": {"/m/.int8"}, "none": nil, "/cache": {"/cache", "/m/.int8"}} {
		for host, free := range map[string]float64{"": 0, "10.0.0.1": weightcache.FreeForKubelet} {
			t.Setenv("KUBERNETES_SERVICE_HOST", host)
			if f := cacheFolders("/m", flag, 3); !slices.Equal(f.Dirs, want) || f.Limit != 3<<20 || f.Free != free {
				t.Errorf("%q, host %q: %+v", flag, host, f)
			}
		}
	}
}
