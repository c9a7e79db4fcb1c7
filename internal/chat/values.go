package chat

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// null is Jinja's none. gonja has one nil for none and undefined; here nil is
// undefined only. As a bool kind it is false, equal to itself alone, and
// neither a list nor a text.
type null bool

const none null = false

func (null) String() string { return "None" }

// fromGo turns a Go value (as JSON decodes it) into one that templates see.
// Whole numbers become integers, as in the JSON text they came from.
func fromGo(v any) any {
	switch v := v.(type) {
	case nil:
		return none
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v)
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return int(i)
		}
		f, _ := v.Float64()
		return f
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = fromGo(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = fromGo(x)
		}
		return out
	}
	return v
}

// kind names a value's type as Python does, for messages.
func kind(v *exec.Value) string {
	switch {
	case v.IsNil():
		return "undefined"
	case isNone(v):
		return "none"
	case v.IsString():
		return "string"
	case v.IsBool():
		return "bool"
	case v.IsInteger():
		return "int"
	case v.IsFloat():
		return "float"
	case v.IsList():
		return "list"
	case v.IsDict():
		return "dict"
	}
	return fmt.Sprintf("%T", v.Interface())
}

func isNone(v *exec.Value) bool {
	_, ok := v.Interface().(null)
	return ok
}

func isBool(v *exec.Value) bool { return v.IsBool() && !isNone(v) }

// items are the values of a list.
func items(v *exec.Value) []*exec.Value {
	r := deref(v)
	out := make([]*exec.Value, r.Len())
	for i := range out {
		out[i] = exec.ToValue(r.Index(i))
	}
	return out
}

// entries are the pairs of a dict: in the order of a literal, else by key.
func entries(v *exec.Value) []*exec.Pair {
	r := deref(v)
	if d, ok := r.Interface().(exec.Dict); ok {
		return d.Pairs
	}
	keys := r.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	out := make([]*exec.Pair, len(keys))
	for i, k := range keys {
		out[i] = &exec.Pair{Key: exec.ToValue(k), Value: exec.ToValue(r.MapIndex(k))}
	}
	return out
}

// count is how many items or entries a list or dict has.
func count(v *exec.Value) int {
	r := deref(v)
	if d, ok := r.Interface().(exec.Dict); ok {
		return len(d.Pairs)
	}
	return r.Len()
}

// members is how many values the library's filters go through in v: they cut a text
// into its bytes.
func members(v *exec.Value) int {
	switch {
	case v.IsString():
		return deref(v).Len()
	case v.IsList() || v.IsDict():
		return count(v)
	}
	return 0
}

// deref is what v holds, without pointer and interface around it.
func deref(v *exec.Value) reflect.Value {
	r := v.Val
	for r.Kind() == reflect.Pointer || r.Kind() == reflect.Interface {
		r = r.Elem()
	}
	return r
}

// valueBytes is about what a value takes beside its text.
const valueBytes = 16

// size is about the bytes of a value with all that it holds, counted as often
// as it is held: what printing it would cost. It counts no further than to what
// is too much anyway.
func size(v *exec.Value) int { return weigh(0, v) }

// weigh adds the size of v to n.
func weigh(n int, v *exec.Value) int {
	n += valueBytes
	switch {
	case v == nil || v.IsNil():
	case v.IsString():
		n += deref(v).Len()
	case v.IsList():
		for r, i := deref(v), 0; i < r.Len() && n <= maxText; i++ {
			n = weigh(n, exec.ToValue(r.Index(i)))
		}
	case v.IsDict():
		n = weighDict(n, deref(v))
	}
	return n
}

func weighDict(n int, r reflect.Value) int {
	if d, ok := r.Interface().(exec.Dict); ok {
		for i := 0; i < len(d.Pairs) && n <= maxText; i++ {
			n = weigh(weigh(n, d.Pairs[i].Key), d.Pairs[i].Value)
		}
		return n
	}
	for it := r.MapRange(); n <= maxText && it.Next(); {
		n = weigh(weigh(n, exec.ToValue(it.Key())), exec.ToValue(it.Value()))
	}
	return n
}

// surface is about the bytes of a value without what its members hold: what a copy
// of it would cost.
func surface(v *exec.Value) int {
	switch {
	case v.IsString():
		return deref(v).Len()
	case v.IsList():
		return valueBytes * count(v)
	case v.IsDict():
		return 2 * valueBytes * count(v)
	}
	return 0
}
