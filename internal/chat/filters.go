package chat

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// keptFilters are gonja's filters that agree with Jinja's on what chat
// templates do with them and return no more than they get.
var keptFilters = []string{
	"abs", "attr", "capitalize", "d", "default", "e", "escape", "first", "float", "groupby", "int", "last",
	"lower", "map", "max", "min", "reject", "rejectattr", "round", "safe", "select", "selectattr", "sort", "sum",
	"title", "unique", "upper", "urlencode", "wordcount",
}

// loops are those of them that go through the members of a value.
var loops = []string{
	"groupby", "map", "max", "min", "reject", "rejectattr", "select", "selectattr", "sort", "sum", "unique",
}

// filterFunc is one of our filters.
type filterFunc func(b *budget, in *exec.Value, args *exec.VarArgs) (any, error)

func filters() *exec.FilterSet {
	set := map[string]exec.FilterFunction{}
	for _, name := range keptFilters {
		f, _ := builtins.Filters.Get(name)
		set[name] = charged(name, f)
	}
	for name, f := range ownFilters {
		set[name] = filter(f)
	}
	set["__call"] = call
	for name, f := range operatorFuncs {
		set[name] = filter(func(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
			return f(b, in, args.First())
		})
	}
	return exec.NewFilterSet(set)
}

// charged makes one of gonja's filters pay for its input, and for each member that it
// goes through as a loop does. What it returns is no more than a few times as large.
func charged(name string, f exec.FilterFunction) exec.FilterFunction {
	loop := slices.Contains(loops, name)
	return func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
		if in.IsError() {
			return in
		}
		cost := size(in)
		if name == "sort" && in.IsList() {
			cost *= bits.Len(uint(count(in))) // so often it looks at each
		}
		b := budgetOf(e)
		if err := b.spend(cost); err != nil {
			return exec.AsValue(err)
		}
		if loop {
			if err := b.take(members(in)); err != nil {
				return exec.AsValue(err)
			}
		}
		return f(e, in, args)
	}
}

func filter(f filterFunc) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
		if in.IsError() {
			return in
		}
		b := budgetOf(e)
		out, err := f(b, in, args)
		if err == nil {
			err = b.spend(0)
		}
		if err != nil {
			return exec.AsValue(b.note(err))
		}
		return exec.ToValue(out)
	}
}

var ownFilters map[string]filterFunc

func init() { // not a literal: some filters refer to the map's users
	ownFilters = map[string]filterFunc{
		"__out": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
			s, err := b.text(in)
			if err != nil {
				return nil, err
			}
			return s, b.write(len(s))
		},
		"__charge": func(b *budget, _ *exec.Value, args *exec.VarArgs) (any, error) {
			if err := b.take(args.Args[1].Integer()); err != nil {
				return nil, err
			}
			return "", b.write(args.First().Integer())
		},
		"__enter": func(b *budget, _ *exec.Value, _ *exec.VarArgs) (any, error) { return "", b.enter() },
		"__leave": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
			b.depth--
			return in.Interface(), nil
		},
		"__not":  func(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return !in.IsTrue(), nil },
		"__item": func(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) { return item(b, in, args.First()) },
		"__slice": func(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
			return sliced(b, in, args.First().IsTrue())
		},
		"__iter": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return iterable(b, in) },
		"__made": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return made(b, in) },
		"count":  length, "length": length, "reverse": reverse, "items": itemsFilter, "list": listFilter,
		"dictsort": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
			if !in.IsDict() {
				return nil, fmt.Errorf("dictsort of %s, not of a dict", kind(in))
			}
			if err := b.spend(size(in)); err != nil {
				return nil, err
			}
			return pairList(b, sorted(entries(in)))
		},
		"join": joinFilter, "replace": replaceFilter, "trim": trimFilter, "indent": indentFilter, "tojson": toJSONFilter,
		"string": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return b.text(in) },
	}
}

func length(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	switch {
	case in.IsNil():
		return 0, nil
	case in.IsString():
		return utf8.RuneCountInString(in.String()), b.spend(surface(in))
	case in.IsList() || in.IsDict():
		return count(in), nil
	}
	return nil, fmt.Errorf("%s has no length", kind(in))
}

func reverse(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	list, err := listOf(b, in)
	if err != nil {
		return nil, err
	}
	slices.Reverse(list)
	if !in.IsString() {
		return list, nil
	}
	var out strings.Builder
	for _, c := range list {
		out.WriteString(c.String())
	}
	return out.String(), nil
}

// listOf is a fresh list of what a value iterates over.
func listOf(b *budget, in *exec.Value) ([]*exec.Value, error) {
	if in.IsString() {
		return characters(b, in.String())
	}
	if err := b.spend(surface(in)); err != nil {
		return nil, err
	}
	switch {
	case in.IsNil():
		return nil, nil
	case in.IsList():
		return items(in), nil
	case in.IsDict():
		var keys []*exec.Value
		for _, p := range entries(in) {
			keys = append(keys, p.Key)
		}
		return keys, nil
	}
	return nil, fmt.Errorf("cannot loop over %s", kind(in))
}

func listFilter(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return listOf(b, in) }

func itemsFilter(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	if in.IsNil() {
		return []any{}, nil
	}
	if !in.IsDict() {
		return nil, fmt.Errorf("items of %s, not of a dict", kind(in))
	}
	if err := b.spend(surface(in)); err != nil {
		return nil, err
	}
	return pairList(b, entries(in))
}

func pairList(b *budget, pairs []*exec.Pair) (any, error) {
	if err := b.spend(4 * valueBytes * len(pairs)); err != nil {
		return nil, err
	}
	out := []any{}
	for _, p := range pairs {
		out = append(out, []*exec.Value{p.Key, p.Value})
	}
	return out, nil
}
