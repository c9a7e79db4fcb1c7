package chat

import (
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// item is x[y]. What is not there is undefined, as in Jinja; only of undefined
// there are no items.
func item(b *budget, x, y *exec.Value) (*exec.Value, error) {
	switch {
	case x.IsNil():
		name, err := b.text(y)
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("undefined has no item %s", name)
	case x.IsList() && y.IsInteger():
		return at(deref(x), y.Integer()), nil
	case x.IsString() && y.IsInteger():
		return character(b, x.String(), y.Integer())
	case x.IsDict():
		return entry(b, deref(x), y)
	case y.IsString(): // loop['first']
		if v, ok := x.GetAttribute(y.String()); ok {
			return v, nil
		}
	}
	return undefined, nil
}

var undefined = exec.AsValue(nil)

func at(list reflect.Value, i int) *exec.Value {
	if i < 0 {
		i += list.Len()
	}
	if i < 0 || i >= list.Len() {
		return undefined
	}
	return exec.ToValue(list.Index(i))
}

// character is s[i]. It reads, and charges, no more of s than it must.
func character(b *budget, s string, i int) (*exec.Value, error) {
	if i >= 0 {
		for read, r := range s {
			if i == 0 {
				return exec.AsValue(string(r)), b.spend(read)
			}
			i--
		}
		return undefined, b.spend(len(s))
	}
	for rest := s; rest != ""; {
		r, n := utf8.DecodeLastRuneInString(rest)
		rest = rest[:len(rest)-n]
		if i++; i == 0 {
			return exec.AsValue(string(r)), b.spend(len(s) - len(rest))
		}
	}
	return undefined, b.spend(len(s))
}

// entry is d[key]. A list or dict is no key.
func entry(b *budget, r reflect.Value, key *exec.Value) (*exec.Value, error) {
	if key.IsList() || key.IsDict() {
		return undefined, nil
	}
	if d, ok := r.Interface().(exec.Dict); ok {
		for i, p := range d.Pairs {
			if p.Key.EqualValueTo(key) {
				return p.Value, b.spend(valueBytes * i)
			}
		}
		return undefined, b.spend(valueBytes * len(d.Pairs))
	}
	if key.IsString() { // maps have no other keys
		return exec.ToValue(r.MapIndex(reflect.ValueOf(key.String()))), nil
	}
	return undefined, nil
}

// characters are the characters of a text, as values.
func characters(b *budget, s string) ([]*exec.Value, error) {
	n := utf8.RuneCountInString(s)
	if err := b.take(n); err != nil { // a value of one character takes a hundred bytes
		return nil, err
	}
	out := make([]*exec.Value, 0, n)
	for _, r := range s {
		out = append(out, exec.AsValue(string(r)))
	}
	return out, nil
}

// iterable is what a for loop runs over. The library makes a scope for each item
// before the first turn.
func iterable(b *budget, v *exec.Value) (any, error) {
	switch {
	case v.IsNil():
		return []any{}, nil
	case v.IsString():
		return characters(b, v.String())
	case v.IsList() || v.IsDict():
		return v.Interface(), b.take(count(v))
	}
	return nil, fmt.Errorf("cannot loop over %s", kind(v))
}

// sliced charges x[i:j:k], before the library makes it. step says that there is a k;
// without, only a text is copied.
func sliced(b *budget, x *exec.Value, step bool) (any, error) {
	if step || x.IsString() {
		return x.Interface(), b.spend(surface(x))
	}
	return x.Interface(), nil
}

// made charges a list or dict that the template wrote down.
func made(b *budget, v *exec.Value) (any, error) {
	if v.IsList() {
		for _, x := range items(v) {
			if x.IsError() {
				return nil, x
			}
			if err := holdable(x); err != nil {
				return nil, err
			}
		}
		return v.Interface(), b.spend(size(v))
	}
	if count(v) == 0 {
		return map[string]any{}, nil // gonja's own empty dict counts as true
	}
	for _, p := range entries(v) {
		if err := holdable(p.Value); err != nil {
			return nil, err
		}
	}
	return v.Interface(), b.spend(size(v))
}
