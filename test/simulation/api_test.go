package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// api is the API server: objects by kind and name, in one namespace. A stored
// object is never changed, only replaced, so that a cache may keep old ones.
type api struct {
	objects store
	version int64
}

type store map[string]map[string]client.Object

// snapshot is a copy of the maps; the objects are shared.
func (s store) snapshot(kind string) map[string]client.Object { return maps.Clone(s[kind]) }

func (a *api) get(kind, name string) client.Object { return a.objects[kind][name] }

// put stores a copy; it numbers the version, and the object if it is new.
func (a *api) put(o client.Object) {
	o = o.DeepCopyObject().(client.Object)
	a.version++
	o.SetResourceVersion(strconv.FormatInt(a.version, 10))
	if o.GetUID() == "" {
		o.SetUID(types.UID(fmt.Sprint("uid-", a.version)))
	}
	kind := kindOf(o)
	if a.objects[kind] == nil {
		a.objects[kind] = map[string]client.Object{}
	}
	a.objects[kind][o.GetName()] = o
}

func (a *api) remove(kind, name string) {
	a.version++
	delete(a.objects[kind], name)
}

// live is a copy of an object; nil if there is none.
func live[T client.Object](a *api, name string) T {
	var none T
	o := a.get(reflect.TypeOf(none).Elem().Name(), name)
	if o == nil {
		return none
	}
	return o.DeepCopyObject().(T)
}

func kindOf(o any) string { return reflect.TypeOf(o).Elem().Name() }

// blank is an empty object of a kind that the operator applies.
func blank(kind string) client.Object {
	switch kind {
	case "ConfigMap":
		return &corev1.ConfigMap{}
	case "Service":
		return &corev1.Service{}
	case "ServiceAccount":
		return &corev1.ServiceAccount{}
	case "PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "StatefulSet":
		return &appsv1.StatefulSet{}
	case "ExpertPool":
		return &v1alpha1.ExpertPool{}
	}
	panic("no kind " + kind)
}

// apply is server-side apply with force, for one manager whose lists are nobody
// else's, so that a list is replaced as a whole.
func (a *api) apply(want map[string]any, manager string) error {
	kind := want["kind"].(string)
	meta := want["metadata"].(map[string]any)
	name := meta["name"].(string)
	now := a.get(kind, name)
	if v, ok := meta["resourceVersion"]; ok && (now == nil || now.GetResourceVersion() != v) {
		return conflict(kind, name)
	}
	object := map[string]any{}
	next := blank(kind)
	if now != nil {
		object = toMap(now)
		forget(object, ownedBy(now, manager))
	}
	fields := claim(want)
	merge(object, want)
	fromMap(object, next)
	next.SetManagedFields(append(others(now, manager), metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}))
	if spec := toMap(next)["spec"]; spec != nil && (now == nil || !reflect.DeepEqual(toMap(now)["spec"], spec)) {
		next.SetGeneration(next.GetGeneration() + 1)
	}
	if now == nil || !reflect.DeepEqual(toMap(now), toMap(next)) {
		a.put(next)
	}
	return nil
}

// patchStatus merges a JSON merge patch into an object's status.
func (a *api) patchStatus(o client.Object, patch []byte) error {
	now := a.get(kindOf(o), o.GetName())
	if now == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kindOf(o)}, o.GetName())
	}
	var p map[string]any
	if err := json.Unmarshal(patch, &p); err != nil {
		return err
	}
	if meta, ok := p["metadata"].(map[string]any); ok && meta["resourceVersion"] != nil && meta["resourceVersion"] != now.GetResourceVersion() {
		return conflict(kindOf(o), o.GetName())
	}
	object := toMap(now)
	if status, ok := p["status"]; ok {
		merge(object, map[string]any{"status": status})
	}
	next := blank(kindOf(o))
	fromMap(object, next)
	a.put(next)
	into(o, a.get(kindOf(o), o.GetName()))
	return nil
}

func conflict(kind, name string) error {
	return apierrors.NewConflict(schema.GroupResource{Resource: kind}, name, fmt.Errorf("the object has been modified"))
}

// merge is a JSON merge patch (RFC 7386).
func merge(into, from map[string]any) {
	for k, v := range from {
		sub, isMap := v.(map[string]any)
		was, wasMap := into[k].(map[string]any)
		switch {
		case v == nil:
			delete(into, k)
		case isMap && wasMap:
			merge(was, sub)
		case isMap:
			fresh := map[string]any{}
			merge(fresh, sub)
			into[k] = fresh
		default:
			into[k] = v
		}
	}
}

// claim writes the field set of what a manager applies.
func claim(want map[string]any) string {
	fields := fieldSet(want)
	for _, k := range []string{"f:apiVersion", "f:kind"} {
		delete(fields, k)
	}
	if meta, ok := fields["f:metadata"].(map[string]any); ok {
		for _, k := range []string{"f:name", "f:namespace", "f:resourceVersion", "f:uid"} {
			delete(meta, k)
		}
		if len(meta) == 0 {
			delete(fields, "f:metadata")
		}
	}
	raw, _ := json.Marshal(fields)
	return string(raw)
}

func fieldSet(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok {
			out["f:"+k] = fieldSet(sub)
		} else {
			out["f:"+k] = map[string]any{}
		}
	}
	return out
}

// forget removes the fields of a set: what the manager no longer applies goes.
func forget(object, fields map[string]any) {
	for key, sub := range fields {
		name := key[len("f:"):]
		rest, _ := sub.(map[string]any)
		if inner, ok := object[name].(map[string]any); ok && len(rest) > 0 {
			forget(inner, rest)
		} else {
			delete(object, name)
		}
	}
}

func ownedBy(o client.Object, manager string) map[string]any {
	for _, e := range o.GetManagedFields() {
		if e.Manager == manager {
			var fields map[string]any
			_ = json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields)
			return fields
		}
	}
	return nil
}

func others(o client.Object, manager string) []metav1.ManagedFieldsEntry {
	if o == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(o.GetManagedFields()), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == manager })
}

func toMap(v any) map[string]any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	return m
}

func fromMap(m map[string]any, o any) {
	raw, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(raw, o)
	}
	if err != nil {
		panic(err)
	}
}

// into makes dst a copy of src.
func into(dst, src client.Object) {
	reflect.ValueOf(dst).Elem().Set(reflect.ValueOf(src.DeepCopyObject()).Elem())
}
