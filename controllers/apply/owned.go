package apply

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// owned returns the fields of a live object that manager owns by apply, with
// their live values, in the form that was applied. A field that somebody else
// has changed since belongs to them and is missing here: that is how drift shows.
func owned(live client.Object, manager string) (map[string]any, error) {
	fields, err := managed(live, manager)
	if err != nil || fields == nil {
		return nil, err
	}
	raw, err := json.Marshal(live)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	return pick(object, fields), nil
}

// Owns says whether manager owns a field by apply.
func Owns(live client.Object, manager string, path ...string) bool {
	fields, err := managed(live, manager)
	return err == nil && contains(fields, path)
}

// OwnsAlone says whether manager owns a field by apply and nobody else owns it: an apply
// that leaves the field out would delete it.
func OwnsAlone(live client.Object, manager string, path ...string) bool {
	if !Owns(live, manager, path...) {
		return false
	}
	return !slices.ContainsFunc(live.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		fields, err := fieldsOf(&e)
		return !applies(&e, manager) && err == nil && contains(fields, path)
	})
}

func contains(fields map[string]any, path []string) bool {
	for _, name := range path {
		sub, ok := fields["f:"+name].(map[string]any)
		if !ok {
			return false
		}
		fields = sub
	}
	return true
}

// managed is the manager's field set (FieldsV1, see the Kubernetes documentation
// of server-side apply).
func managed(live client.Object, manager string) (map[string]any, error) {
	for _, entry := range live.GetManagedFields() {
		if !applies(&entry, manager) {
			continue
		}
		fields, err := fieldsOf(&entry)
		if err != nil {
			return nil, fmt.Errorf("managedFields of %s: %w", live.GetName(), err)
		}
		return fields, nil
	}
	return nil, nil
}

// applies says whether an entry is what manager has applied.
func applies(e *metav1.ManagedFieldsEntry, manager string) bool {
	return e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationApply && e.Subresource == "" && e.FieldsV1 != nil
}

func fieldsOf(e *metav1.ManagedFieldsEntry) (fields map[string]any, err error) {
	if e.FieldsV1 != nil {
		err = json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields)
	}
	return fields, err
}

// pick takes from a map what the field set names. Keys: "f:name" is a field,
// "." the map itself.
func pick(object, fields map[string]any) map[string]any {
	out := map[string]any{}
	for key, sub := range fields {
		name, ok := strings.CutPrefix(key, "f:")
		if !ok {
			continue
		}
		if value, there := object[name]; there {
			out[name] = pickValue(value, sub)
		}
	}
	return out
}

// pickValue takes a value whole where the set ends (scalars, atomic lists and
// maps), else what it names.
func pickValue(value, sub any) any {
	fields, _ := sub.(map[string]any)
	if len(fields) == 0 {
		return value
	}
	switch v := value.(type) {
	case map[string]any:
		return pick(v, fields)
	case []any:
		return pickItems(v, fields)
	}
	return value
}

// pickItems takes from a list the items that the set names, in the live order:
// "k:{...}" by the values of their keys, "v:..." by their own value.
func pickItems(list []any, fields map[string]any) []any {
	out := []any{}
	for _, item := range list {
		for key, sub := range fields {
			if text, ok := strings.CutPrefix(key, "k:"); ok && hasKeys(item, text) {
				out = append(out, pickValue(item, sub))
			} else if text, ok := strings.CutPrefix(key, "v:"); ok && isValue(item, text) {
				out = append(out, item)
			}
		}
	}
	return out
}

func hasKeys(item any, text string) bool {
	object, ok := item.(map[string]any)
	var keys map[string]any
	if !ok || json.Unmarshal([]byte(text), &keys) != nil {
		return false
	}
	for k, v := range keys {
		if !reflect.DeepEqual(object[k], v) { // whoever edits managedFields can name any value
			return false
		}
	}
	return true
}

func isValue(item any, text string) bool {
	var v any
	return json.Unmarshal([]byte(text), &v) == nil && reflect.DeepEqual(v, item)
}
