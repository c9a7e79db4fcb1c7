package conditions

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

func TestSet(t *testing.T) {
	cases := []struct {
		name    string
		verdict Verdict
		want    map[string]string
	}{
		{"ready", Verdict{Ready: true, Available: true, Reason: "AsWanted"},
			map[string]string{"Ready": "True AsWanted", "Available": "True Serving", "Reconciling": "False AsWanted", "Stalled": "False NotStalled"}},
		{"on the way", Verdict{Reason: "Progressing"},
			map[string]string{"Ready": "False Progressing", "Available": "False NotServing", "Reconciling": "True Progressing", "Stalled": "False NotStalled"}},
		{"stalled, but serving", Verdict{Stalled: true, Available: true, Reason: "CrashLoop"},
			map[string]string{"Ready": "False CrashLoop", "Available": "True Serving", "Reconciling": "False CrashLoop", "Stalled": "True CrashLoop"}},
	}
	for _, c := range cases {
		var list []metav1.Condition
		Set(&list, 7, time.Unix(100, 0), c.verdict)
		for kind, want := range c.want {
			got := Of(list, kind)
			if string(got.Status)+" "+got.Reason != want || got.ObservedGeneration != 7 {
				t.Errorf("%s: %s is %s %s, want %s", c.name, kind, got.Status, got.Reason, want)
			}
		}
	}
}

// TestTimesChangeOnlyWithStatus: a later round with the same verdict changes
// nothing, so nothing is written.
func TestTimesChangeOnlyWithStatus(t *testing.T) {
	var list []metav1.Condition
	Set(&list, 1, time.Unix(100, 0), Verdict{Ready: true, Available: true, Reason: "AsWanted"})
	Set(&list, 1, time.Unix(200, 0), Verdict{Ready: true, Available: true, Reason: "AsWanted"})
	if at := Of(list, v1alpha1.ConditionReady).LastTransitionTime.Unix(); at != 100 {
		t.Errorf("the time moved to %d", at)
	}
	Set(&list, 1, time.Unix(300, 0), Verdict{Available: true, Reason: "Progressing"})
	if at := Of(list, v1alpha1.ConditionReady).LastTransitionTime.Unix(); at != 300 {
		t.Errorf("time %d, want that of the change", at)
	}
	if at := Of(list, v1alpha1.ConditionAvailable).LastTransitionTime.Unix(); at != 100 {
		t.Errorf("Available did not change, its time did: %d", at)
	}
}

func TestLimits(t *testing.T) {
	var list []metav1.Condition
	Set(&list, 1, time.Now(), Verdict{Stalled: true, Reason: "X", Message: strings.Repeat("x", 40000)})
	if m := Of(list, v1alpha1.ConditionStalled).Message; len(m) != maxMessage || !strings.HasSuffix(m, "x...") {
		t.Errorf("message of %d bytes that ends in %q, want %d and an end that tells of the rest", len(m), m[len(m)-4:], maxMessage)
	}
	if c := Of(nil, v1alpha1.ConditionReady); c.Status != metav1.ConditionUnknown {
		t.Errorf("a missing condition is %s, want Unknown", c.Status)
	}
}

// Only another reason is news, or one that now needs somebody; only what somebody must
// mend is a warning.
func TestTell(t *testing.T) {
	var list []metav1.Condition
	Set(&list, 1, time.Unix(100, 0), Verdict{Reason: "Progressing"})
	for _, c := range []struct {
		verdict Verdict
		want    string
	}{
		{Verdict{Reason: "Progressing", Message: "one more"}, ""},
		{Verdict{Ready: true, Reason: "AsWanted", Message: "100 %"}, "Normal AsWanted 100 %"},
		{Verdict{Reason: "Unschedulable", Message: "a"}, "Normal Unschedulable a"},
		{Verdict{Reason: "Unschedulable", Message: "b"}, ""},
		{Verdict{Reason: "Unschedulable", Message: "b", Stalled: true}, "Warning Unschedulable b"},
		{Verdict{Reason: "Unschedulable", Message: "b", Stalled: true}, ""},
		{Verdict{Stalled: true, Reason: "CrashLoop", Message: "again"}, "Warning CrashLoop again"},
	} {
		to := events.NewFakeRecorder(1)
		Tell(to, &v1alpha1.ExpertPool{}, list, c.verdict)
		close(to.Events)
		if got := <-to.Events; got != c.want {
			t.Errorf("%+v: event %q, want %q", c.verdict, got, c.want)
		}
		Set(&list, 1, time.Unix(200, 0), c.verdict)
	}
}
