//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// testAutoscale: the operator adds an expert node by the load that it sees and says why, and takes it away again;
// for that the maximum is lowered, as five minutes of idleness are too long for a test.
func testAutoscale(t *testing.T, api endpoint, clients []known) {
	scaling := func(spec string) {
		ctl(t, "patch", "olmoe", name, "--type=merge", "-p", `{"spec":`+spec+`}`)
	}
	l := startLoad(t, api, clients)
	begun := time.Now()
	scaling(`{"expertNodes":null,"scaling":{"min":2,"max":3,"targetUtilizationPercent":5},"experts":{"rebalancing":{"windowSeconds":8}}}`)
	// As it decides (Busy), or when it would like more than the maximum: other looks have other reasons in between.
	s := waitStep(t, 2, 3, "is busy")
	decided := time.Since(begun).Round(time.Second)
	waitReady(t, "3/3")
	t.Logf("%s: %s; decided after %s, a third node served after %s", s.Reason, s.Message, decided, time.Since(begun).Round(time.Second))
	begun = time.Now()
	scaling(`{"scaling":{"max":2}}`)
	waitStep(t, 3, 2, "")
	waitReady(t, "2/2")
	t.Logf("and left after %s", time.Since(begun).Round(time.Second))
	time.Sleep(time.Second)
	l.stop(t)
	waitPods(t, 2)
	scaling(`{"expertNodes":2,"scaling":null}`)
	waitReady(t, "2/2")
}

// waitStep waits until the operator has taken a step and gives a reason that says some words.
func waitStep(t *testing.T, from, to int32, words string) (s *v1alpha1.ScalingStatus) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		s = getPool(t).Status.Scaling
		if s == nil || s.Time == nil || s.From != from || s.To != to || !strings.Contains(s.Message, words) {
			return fmt.Errorf("no step from %d to %d with %q: %+v", from, to, words, s)
		}
		return nil
	})
	return s
}
