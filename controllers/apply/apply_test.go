package apply

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// TestApply: what is written, and whether that changed anything.
func TestApply(t *testing.T) {
	const labels = `patch {"metadata":{"labels":{"n":"2"}}}`
	cases := []struct {
		name  string
		s     server
		asked []string
		wrote bool
	}{
		{"as wanted", server{service: there("2")}, []string{"read"}, false},
		{"differs", server{service: there("1"), version: "2"}, []string{"read", "apply"}, true},
		{"not there", server{owner: owner(), version: "2", generation: 1}, []string{"read", "read", "owner", "apply"}, true},
		{"what differs has no generation", server{service: there("1"), version: "2", generation: 1}, []string{"read", "apply"}, true},
		{"items that others added make it invalid", server{service: there("1"), version: "2", answers: []error{invalid}}, []string{"read", "apply", labels, "apply"}, true},
	}
	for _, c := range cases {
		wrote, err := c.s.apply(t, new(Settled), "2")
		if err != nil || wrote != c.wrote || !slices.Equal(c.s.asked, c.asked) {
			t.Errorf("%s: %v, asked for %q, wrote %v; want %q, %v", c.name, err, c.s.asked, wrote, c.asked, c.wrote)
		}
	}
	s := server{service: there("1")}
	s.service.ManagedFields[0].FieldsV1 = metav1.NewFieldsV1(`{"f:spec": {"f:type": {}}}`)
	s.service.Spec.Type = corev1.ServiceTypeNodePort
	spec := corev1ac.Service("a", "ns").WithSpec(corev1ac.ServiceSpec().WithType(corev1.ServiceTypeNodePort))
	if wrote, err := s.applier(new(Settled)).ApplyTo(t.Context(), s.service, spec); wrote || err != nil || len(s.asked) > 0 {
		t.Errorf("a spec alone, as wanted: asked for %q, wrote %v, %v", s.asked, wrote, err)
	}
	s = server{service: there("1"), version: "2", generation: 7}
	s.service.Generation = 7
	if wrote, err := s.apply(t, new(Settled), "2"); wrote || err != nil {
		t.Errorf("a write that left the generation as it was: changed %v, %v", wrote, err)
	}
}

// TestApplyFails: what somebody has to mend is told from what may pass, and nothing is made
// for an owner that is gone.
func TestApplyFails(t *testing.T) {
	anew, leaving := owner(), owner()
	anew.UID, leaving.DeletionTimestamp = "u2", &metav1.Time{Time: time.Unix(1, 0)}
	forbidden := apierrors.NewForbidden(schema.GroupResource{}, "a", errors.New("quota"))
	terminating := apierrors.NewForbidden(schema.GroupResource{}, "a", errors.New("terminating"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	theirs, damaged := there("1"), there("1")
	theirs.OwnerReferences = nil
	damaged.ManagedFields[0].FieldsV1 = metav1.NewFieldsV1("{")
	cases := []struct {
		name   string
		s      server
		want   string // begins the error
		reason string // of Problem
		writes int
	}{
		{"the owner is gone", server{}, ErrOwnerGone.Error(), "", 0},
		{"the owner was made anew", server{owner: anew}, ErrOwnerGone.Error(), "", 0},
		{"the owner is leaving", server{owner: leaving}, ErrOwnerGone.Error(), "", 0},
		{"its namespace is leaving", server{owner: owner(), answers: []error{terminating}}, ErrOwnerGone.Error(), "", 1},
		{"the owner cannot be read", server{owner: owner(), unreadable: errBusy}, "read ExpertPool demo: ", "", 0},
		{"it cannot be read", server{service: there("1"), unreadable: errBusy}, "read Service a: ", "", 0},
		{"it is somebody else's", server{service: theirs}, "Service a exists and belongs to somebody else", "NameConflict", 0},
		{"its fields cannot be read", server{service: damaged}, "managedFields of a: ", "", 0},
		{"forbidden", server{service: there("1"), answers: []error{forbidden}}, "the API server refuses Service a", "ChildRefused", 1},
		{"a bad request", server{service: there("1"), answers: []error{apierrors.NewBadRequest("x")}}, "the API server refuses Service a", "ChildRefused", 1},
		{"invalid, also after a patch", server{service: there("1"), answers: []error{invalid, nil, invalid}}, "the API server refuses Service a", "ChildRefused", 3},
		{"invalid, and so is the patch", server{service: there("1"), answers: []error{invalid, invalid}}, "the API server refuses Service a", "ChildRefused", 2},
		{"invalid when it is made", server{owner: owner(), answers: []error{invalid}}, "the API server refuses Service a", "ChildRefused", 1},
		{"it may pass", server{service: there("1"), answers: []error{errBusy}}, "apply Service a: ", "", 1},
	}
	for _, c := range cases {
		wrote, err := c.s.apply(t, new(Settled), "2")
		if err == nil || wrote || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: wrote %v, %v; want %s", c.name, wrote, err, c.want)
			continue
		}
		writes := slices.DeleteFunc(c.s.asked, func(what string) bool { return what == "read" || what == "owner" })
		if reason := reasonOf(t, err); reason != c.reason || len(writes) != c.writes {
			t.Errorf("%s: reason %q after %q, want %q after %d writes", c.name, reason, writes, c.reason, c.writes)
		}
	}
}

// reasonOf is that of the Problem in err, which says what err does; empty if there is none.
func reasonOf(t *testing.T, err error) string {
	t.Helper()
	p := Problem(err)
	if p == nil {
		return ""
	}
	if p.Message != err.Error() || p.Passing != (p.Reason == "Progressing") {
		t.Errorf("%v: problem %+v", err, p)
	}
	return p.Reason
}

// TestHandOver: fields are handed over as they are, or the next round looks again.
func TestHandOver(t *testing.T) {
	s := server{}
	if err := s.applier(nil).HandOver(t.Context(), there("1"), wanted("1")); err != nil || !slices.Equal(s.asked, []string{"apply"}) {
		t.Errorf("%v after %q", err, s.asked)
	}
	s.answers = []error{errBusy}
	if err := s.applier(nil).HandOver(t.Context(), there("1"), wanted("1")); !errors.Is(err, errBusy) {
		t.Errorf("%v, want %v", err, errBusy)
	}
}
