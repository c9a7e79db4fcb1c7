package apply

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// service is a live object: we applied a label, a port and a selector; somebody
// added a label and an annotation, and the API server defaults.
func service(t *testing.T) *corev1.Service {
	t.Helper()
	var s corev1.Service
	raw := `{
	 "metadata": {"name": "a", "labels": {"mine": "1", "theirs": "2"}, "annotations": {"x": "y"}, "finalizers": ["ours/f", "theirs/f"],
	  "ownerReferences": [{"uid": "u1", "name": "o"}, {"uid": "u2", "name": "p"}]},
	 "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "selector": {"k": "v"},
	  "ports": [{"name": "other", "port": 99, "protocol": "TCP"}, {"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http", "nodePort": 30000}]}}`
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatal(err)
	}
	fields := `{"f:metadata": {"f:labels": {"f:mine": {}}, "f:finalizers": {"v:\"ours/f\"": {}}, "f:ownerReferences": {"k:{\"uid\":\"u2\"}": {}}},
	 "f:spec": {"f:selector": {}, "f:gone": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}}}}`
	s.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:spec": {}}`)},
		{Manager: Manager, Operation: metav1.ManagedFieldsOperationUpdate, FieldsV1: metav1.NewFieldsV1(`{"f:spec": {}}`)},
		{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, Subresource: "status", FieldsV1: metav1.NewFieldsV1(`{"f:status": {}}`)},
		{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)},
	}
	return &s
}

// TestOwned: exactly what this manager applied, with live values.
func TestOwned(t *testing.T) {
	got, err := owned(service(t), Manager)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(`{
	 "metadata": {"labels": {"mine": "1"}, "finalizers": ["ours/f"], "ownerReferences": [{"uid": "u2", "name": "p", "apiVersion": "", "kind": ""}]},
	 "spec": {"selector": {"k": "v"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]}}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestOwnedByNobody(t *testing.T) {
	s := service(t)
	if got, err := owned(s, "another"); err != nil || got != nil {
		t.Errorf("got %v, %v; want nothing", got, err)
	}
	s.ManagedFields[3].FieldsV1 = metav1.NewFieldsV1("{")
	if _, err := owned(s, Manager); err == nil {
		t.Error("a damaged field set was accepted")
	}
}

func TestOwns(t *testing.T) {
	s := service(t)
	cases := []struct {
		manager string
		path    []string
		want    bool
	}{
		{Manager, []string{"spec", "selector"}, true}, {Manager, []string{"spec", "clusterIP"}, false},
		{Manager, []string{"status"}, false}, {"kubectl", []string{"spec"}, false}, {"nobody", []string{"spec"}, false},
	}
	for _, c := range cases {
		if got := Owns(s, c.manager, c.path...); got != c.want {
			t.Errorf("%s owns %v: %v, want %v", c.manager, c.path, got, c.want)
		}
	}
}

// TestOwnsAlone: whoever else owns the field, in whatever way, keeps it when we leave it out.
func TestOwnsAlone(t *testing.T) {
	const number = `{"f:spec": {"f:replicas": {}}}`
	ours := metav1.ManagedFieldsEntry{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(number)}
	other := func(manager string, how metav1.ManagedFieldsOperationType, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: how, Subresource: subresource, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	const update, applied = metav1.ManagedFieldsOperationUpdate, metav1.ManagedFieldsOperationApply
	cases := []struct {
		name   string
		fields []metav1.ManagedFieldsEntry
		want   bool
	}{
		{"nobody", nil, false},
		{"we", []metav1.ManagedFieldsEntry{ours}, true},
		{"others only", []metav1.ManagedFieldsEntry{other("kubectl", update, "", number)}, false},
		{"we, and others something else", []metav1.ManagedFieldsEntry{other("kubectl", update, "", `{"f:spec": {"f:paused": {}}}`), ours}, true},
		{"an autoscaler, too", []metav1.ManagedFieldsEntry{ours, other("autoscaler", update, "scale", number)}, false},
		{"the handover, too", []metav1.ManagedFieldsEntry{ours, other(HandoverManager, applied, "", number)}, false},
		{"we in two ways", []metav1.ManagedFieldsEntry{ours, other(Manager, update, "", number)}, false},
		{"who knows", []metav1.ManagedFieldsEntry{ours, other("kubectl", update, "", "{")}, true},
		{"an entry without fields", []metav1.ManagedFieldsEntry{ours, {Manager: "kubectl"}}, true},
	}
	for _, c := range cases {
		s := service(t)
		s.ManagedFields = c.fields
		if got := OwnsAlone(s, Manager, "spec", "replicas"); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Whatever fields an object says are owned, only what it has is picked from it.
func FuzzOwned(f *testing.F) {
	for _, fields := range []string{
		`{"f:metadata": {"f:labels": {".": {}, "f:mine": {}}}, "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:name": {}}}}}`,
		`{"f:metadata": {"f:finalizers": {"v:\"ours/f\"": {}}}}`, `{"f:spec": {"f:ports": {"k:{": {}, "v:": {}, "f:x": {}}, "f:type": {"f:x": {}}}}`, `{"f:spec": null}`, `[]`, `{`,
		`{"f:spec": {"f:ports": {"k:{\"name\":{}}": {}, "v:[1]": {}, "v:{}": {}}}}`,
	} {
		f.Add(fields)
	}
	f.Fuzz(func(t *testing.T, fields string) {
		s := service(t)
		s.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: Manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)}}
		got, err := owned(s, Manager)
		if err != nil {
			return
		}
		whole, err := toMap(s)
		if err != nil {
			t.Fatal(err)
		}
		if !within(got, whole) {
			t.Errorf("%s: %v is not the object's", fields, got)
		}
		Owns(s, Manager, "spec", "ports")
		OwnsAlone(s, Manager, "metadata", "labels")
	})
}

// within says whether a value is a part of another: maps may lack fields, lists items.
func within(part, whole any) bool {
	switch p := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		for name, value := range p {
			of, there := w[name]
			ok = ok && there && within(value, of)
		}
		return ok
	case []any:
		w, ok := whole.([]any)
		for _, item := range p {
			ok = ok && slices.ContainsFunc(w, func(of any) bool { return within(item, of) })
		}
		return ok
	}
	return reflect.DeepEqual(part, whole)
}
