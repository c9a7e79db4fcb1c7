package apply

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// TestOurs: a child is the owner's, or was of a deleted owner of its name.
func TestOurs(t *testing.T) {
	controller := func(kind, name string, uid types.UID) *metav1.OwnerReference {
		yes := true
		return &metav1.OwnerReference{Kind: kind, Name: name, UID: uid, Controller: &yes}
	}
	cases := []struct {
		name          string
		ref           *metav1.OwnerReference
		by, of        string // labels
		reason, error string
	}{
		{"ours", controller("ExpertPool", "demo", "u"), "", "", "", ""},
		{"of an owner deleted without its children", nil, "olmoe-operator", "demo", "", ""},
		{"of another owner deleted so", nil, "olmoe-operator", "other", "NameConflict", "belongs to somebody else"},
		{"of nobody's", nil, "helm", "demo", "NameConflict", "belongs to somebody else"},
		{"of a deleted owner", controller("ExpertPool", "demo", "u2"), "", "", "Progressing", "Service a of a deleted ExpertPool demo is still there"},
		{"of another owner", controller("ExpertPool", "other", "u2"), "olmoe-operator", "demo", "NameConflict", "belongs to somebody else"},
		{"of another kind", controller("Deployment", "demo", "u2"), "olmoe-operator", "demo", "NameConflict", "belongs to somebody else"},
	}
	for _, c := range cases {
		live := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: podspec.Labels(c.of, "router")}}
		live.Labels[podspec.ManagedByLabel] = c.by
		if c.ref != nil {
			live.OwnerReferences = []metav1.OwnerReference{*c.ref}
		}
		err := new(server).applier(nil).Ours(live)
		if reason := reasonOf(t, err); reason != c.reason || (err != nil) != (c.error != "") || err != nil && !strings.Contains(err.Error(), c.error) {
			t.Errorf("%s: %v (%s), want %s: %s", c.name, err, reason, c.reason, c.error)
		}
	}
}
