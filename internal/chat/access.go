package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// item is x[y]. What is not there is undefined, as in Jinja; only of undefined
// there are no items.
func item(x, y *exec.Value) (*exec.Value, error) {
	switch {
	case x.IsNil():
		return nil, fmt.Errorf("undefined has no item %s", show(y))
	case x.IsList() && y.IsInteger():
		return at(items(x), y.Integer()), nil
	case x.IsString() && y.IsInteger():
		return at(characters(x), y.Integer()), nil
	case x.IsDict():
		for _, p := range entries(x) {
			if p.Key.EqualValueTo(y) {
				return p.Value, nil
			}
		}
	case y.IsString(): // loop['first']
		if v, ok := x.GetAttribute(y.String()); ok {
			return v, nil
		}
	}
	return undefined, nil
}

var undefined = exec.AsValue(nil)

func at(list []*exec.Value, i int) *exec.Value {
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return undefined
	}
	return list[i]
}

func characters(v *exec.Value) []*exec.Value {
	runes := []rune(v.String())
	out := make([]*exec.Value, len(runes))
	for i, r := range runes {
		out[i] = exec.AsValue(string(r))
	}
	return out
}

// iterable is what a for loop runs over.
func iterable(v *exec.Value) (any, error) {
	switch {
	case v.IsNil():
		return []any{}, nil
	case v.IsString():
		return characters(v), nil
	case v.IsList() || v.IsDict():
		return v.Interface(), nil
	}
	return nil, fmt.Errorf("cannot loop over %s", kind(v))
}

// made charges a list or dict that the template wrote down.
func made(b *budget, v *exec.Value) (any, error) {
	if v.IsList() {
		for _, x := range items(v) {
			if x.IsError() {
				return nil, x
			}
		}
	} else if len(entries(v)) == 0 {
		return map[string]any{}, nil // gonja's own empty dict counts as true
	}
	return v.Interface(), b.spend(size(v))
}
