package pool

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Rounds that wait for pods which say nothing come after those of others, unless requests
// wait as well.
func TestTurn(t *testing.T) {
	silent := fleet.Answer{Err: errors.New("deadline exceeded")}
	cases := []struct {
		name   string
		change func(*view)
		want   int
	}{
		{"all answer", func(*view) {}, inTurn},
		{"a node is silent", func(v *view) { v.pods.answers["n"] = silent }, behind},
		{"a router is silent", func(v *view) { v.pods.answers["r"] = silent }, behind},
		{"a router waits for it", func(v *view) { v.pods.answers["n"], v.pods.waited = silent, []string{"n"} }, inTurn},
		{"a router misses its experts", func(v *view) {
			v.pods.answers["n"], v.pods.answers["r"].Report.ExpertsReady = silent, 0
		}, inTurn},
		{"its experts are on their way", func(v *view) {
			v.pods.answers["n"], v.decision.Doc = silent, &placement.Document{Target: &placement.Placement{}, Urgent: true}
		}, inTurn},
		{"others are on their way", func(v *view) {
			v.pods.answers["n"], v.decision.Doc = silent, &placement.Document{Target: &placement.Placement{}}
		}, behind},
	}
	for _, c := range cases {
		v := testView()
		v.pods.routers = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "r"}}}
		v.pods.answers = map[string]fleet.Answer{"n": {Report: &fleet.Report{}}, "r": {Report: &fleet.Report{ExpertsReady: 1, ExpertsWanted: 1}}}
		c.change(v)
		if got := v.turn(); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
