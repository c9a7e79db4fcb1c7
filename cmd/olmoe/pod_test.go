package main

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
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

// TestAPIKey: a key that would open the API, or close it to everybody, is refused.
func TestAPIKey(t *testing.T) {
	for key, ok := range map[string]bool{"secret": true, "two words": true, "": false, "secret\n": false, " secret": false} {
		t.Setenv("OLMOE_API_KEY", key)
		cmd := newRouterCommand()
		cmd.SetArgs([]string{"--model=/nonexistent", "--listen=127.0.0.1:0", "--control=127.0.0.1:0"})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err := cmd.ExecuteContext(t.Context())
		if word, hopeless := reason(err); (word == v1alpha1.ReasonPodConfigError) == ok || !hopeless || errors.Is(err, errFlags) {
			t.Errorf("%q: %s, %v", key, word, err)
		}
	}
	if err := os.Unsetenv("OLMOE_API_KEY"); err != nil { // t.Setenv puts it back
		t.Fatal(err)
	}
	if key, err := apiKey(); key != "" || err != nil {
		t.Errorf("without a key: %q, %v", key, err)
	}
}
