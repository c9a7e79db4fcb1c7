package pool

import (
	"encoding/json"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

func testView() *view {
	pool := &v1alpha1.ExpertPool{ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "ns"}}
	return &view{pool: pool, wanted: wantedBy(pool)}
}

func testDocument(t *testing.T, v *view, revision int64) *placement.Document {
	t.Helper()
	plan := func(n int, epoch int64) *placement.Placement {
		p, err := planner.Plan(planner.Request{Layers: 3, Experts: 8, Nodes: v.wanted.members(n), Replicas: 1, Epoch: epoch})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	return &placement.Document{Revision: revision, Model: "f", Serving: plan(2, 4), Target: plan(3, 5)}
}

func asText(t *testing.T, d *placement.Document) string {
	t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestSecondCopy: the copy in the status is the whole document.
func TestSecondCopy(t *testing.T) {
	v := testView()
	d := testDocument(t, v, 9)
	if got := fromStatus(toStatus(d), v.wanted.address); !reflect.DeepEqual(got, d) {
		t.Errorf("got %+v, want %+v", got, d)
	}
	d.Target = nil
	if got := fromStatus(toStatus(d), v.wanted.address); !reflect.DeepEqual(got, d) {
		t.Errorf("without target: got %+v, want %+v", got, d)
	}
	if fromStatus(nil, v.wanted.address) != nil || toStatus(nil) != nil {
		t.Error("a document was made from nothing")
	}
}

func TestDamagedCopyIsNotUsed(t *testing.T) {
	v := testView()
	cases := map[string]func(*v1alpha1.PlacementStatus){
		"revision":  func(s *v1alpha1.PlacementStatus) { s.Revision = 0 },
		"no owner":  func(s *v1alpha1.PlacementStatus) { s.Serving.Nodes = s.Serving.Nodes[:1] },
		"text":      func(s *v1alpha1.PlacementStatus) { s.Target.Nodes[0].Experts = "0:x" },
		"experts":   func(s *v1alpha1.PlacementStatus) { s.Target.Experts, s.Target.Nodes[0].Experts = 1e9, "0:0-900000000" },
		"layers":    func(s *v1alpha1.PlacementStatus) { s.Target.Layers = -1 },
		"placement": func(s *v1alpha1.PlacementStatus) { s.Serving, s.Target = nil, nil },
	}
	for name, damage := range cases {
		s := toStatus(testDocument(t, v, 9))
		damage(s)
		if got := fromStatus(s, v.wanted.address); got != nil {
			t.Errorf("%s: used as revision %d", name, got.Revision)
		}
	}
}

// TestNewest: the ConfigMap is the record, unless it is lost, damaged or not
// newer than the copy.
func TestNewest(t *testing.T) {
	v := testView()
	older, newer := testDocument(t, v, 8), testDocument(t, v, 9)
	tampered := testDocument(t, v, 9)
	tampered.Model = "other"
	urgent, olderUrgent := testDocument(t, v, 9), testDocument(t, v, 8) // which the copy does not tell
	urgent.Urgent, olderUrgent.Urgent = true, true
	cases := []struct {
		name   string
		record string
		status *placement.Document
		want   *placement.Document
	}{
		{"nothing", "", nil, nil},
		{"record", asText(t, newer), nil, newer},
		{"record is ahead of the copy", asText(t, newer), older, newer},
		{"record is lost", "", newer, newer},
		{"record is damaged", `{"revision": 10`, newer, newer},
		{"record is empty", `{}`, newer, newer},
		{"record is of experts without end", `{"revision":99,"serving":{"epoch":1,"layers":1,"experts":100000000000,"nodes":[{"name":"a","experts":[[0]]}]}}`, newer, newer},
		{"record is older than the copy", asText(t, older), newer, newer},
		{"record is urgent", asText(t, urgent), newer, urgent},
		{"record is urgent and older than the copy", asText(t, olderUrgent), newer, newer},
		{"record was changed by somebody", asText(t, tampered), newer, newer},
	}
	for _, c := range cases {
		copied := fromStatus(toStatus(c.status), v.wanted.address)
		if got, _ := newest(c.record, copied); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}
