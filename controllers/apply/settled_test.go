package apply

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// TestSettled: a write that changed nothing is not made again, until what is there or what
// is wanted changes, or its owner is another one.
func TestSettled(t *testing.T) {
	var settled Settled
	s := &server{service: there("one"), version: "1"} // the version that was read: nothing has changed
	apply := func(label string) int {
		t.Helper()
		s.asked = nil
		if wrote, err := s.apply(t, &settled, label); wrote || err != nil {
			t.Fatalf("changed %v, %v", wrote, err)
		}
		return len(s.asked) - 1 // but for the read
	}
	steps := []struct {
		name   string
		edit   func()
		label  string
		writes int
	}{
		{"first", func() {}, "1.0", 1},
		{"again", func() {}, "1.0", 0},
		{"another is wanted", func() {}, "2.0", 1},
		{"again", func() {}, "2.0", 0},
		{"another is there", func() { s.service.Labels["n"] = "two" }, "2.0", 1},
		{"it was made anew", func() { s.service.UID = "s2" }, "2.0", 1},
		{"again", func() {}, "2.0", 0},
		{"another owner is gone", func() { settled.Forget(types.NamespacedName{Namespace: "ns", Name: "other"}) }, "2.0", 0},
		{"the owner was gone", func() { settled.Forget(types.NamespacedName{Namespace: "ns", Name: "demo"}) }, "2.0", 1},
	}
	for _, step := range steps {
		step.edit()
		if got := apply(step.label); got != step.writes {
			t.Errorf("%s: %d writes, want %d", step.name, got, step.writes)
		}
	}
}
