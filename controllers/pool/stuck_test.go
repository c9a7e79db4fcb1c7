package pool

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// TestStuck: experts move once, so a node that may yet come by itself is waited for.
func TestStuck(t *testing.T) {
	v := troubles{problems: map[string]*diagnose.Problem{"waits": {Passing: true}, "hangs": {}}}
	for pod, want := range map[string]bool{"waits": false, "hangs": true, "runs": false} {
		if v.stuck(pod) != want {
			t.Errorf("a pod that %s: stuck is %v", pod, !want)
		}
	}
}
