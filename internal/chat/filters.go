package chat

import (
	"fmt"
	"slices"
	"strings"

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

// filterFunc is one of our filters.
type filterFunc func(b *budget, in *exec.Value, args *exec.VarArgs) (any, error)

func filters() *exec.FilterSet {
	set := map[string]exec.FilterFunction{}
	for _, name := range keptFilters {
		f, _ := builtins.Filters.Get(name)
		set[name] = charged(f)
	}
	for name, f := range ownFilters {
		set[name] = filter(f)
	}
	for name, f := range operatorFuncs {
		set[name] = filter(func(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
			return f(b, in, args.First())
		})
	}
	return exec.NewFilterSet(set)
}

// charged makes one of gonja's filters pay for its input.
func charged(f exec.FilterFunction) exec.FilterFunction {
	return func(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
		if in.IsError() {
			return in
		}
		if err := budgetOf(e).spend(size(in)); err != nil {
			return exec.AsValue(err)
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
			s := show(in)
			return s, b.write(len(s))
		},
		"__charge": func(b *budget, _ *exec.Value, args *exec.VarArgs) (any, error) {
			return "", b.write(args.First().Integer())
		},
		"__enter": func(b *budget, _ *exec.Value, _ *exec.VarArgs) (any, error) { return "", b.enter() },
		"__leave": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
			b.depth--
			return in.Interface(), nil
		},
		"__not":  func(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return !in.IsTrue(), nil },
		"__item": func(_ *budget, in *exec.Value, args *exec.VarArgs) (any, error) { return item(in, args.First()) },
		"__iter": func(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return iterable(in) },
		"__made": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return made(b, in) },
		"count":  length, "length": length, "reverse": reverse, "items": itemsFilter, "list": listFilter,
		"dictsort": func(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
			if !in.IsDict() {
				return nil, fmt.Errorf("dictsort of %s, not of a dict", kind(in))
			}
			return pairList(sorted(entries(in))), nil
		},
		"join": joinFilter, "replace": replaceFilter, "trim": trimFilter, "indent": indentFilter, "tojson": toJSONFilter,
		"string": func(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) { return show(in), b.spend(size(in)) },
	}
}

func length(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	switch {
	case in.IsNil():
		return 0, nil
	case in.IsString() || in.IsList() || in.IsDict():
		return in.Len(), nil
	}
	return nil, fmt.Errorf("%s has no length", kind(in))
}

func reverse(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	list, err := listOf(in)
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
func listOf(in *exec.Value) ([]*exec.Value, error) {
	v, err := iterable(in)
	if err != nil {
		return nil, err
	}
	if !in.IsDict() {
		return slices.Clone(items(exec.AsValue(v))), nil
	}
	var keys []*exec.Value
	for _, p := range entries(in) {
		keys = append(keys, p.Key)
	}
	return keys, nil
}

func listFilter(b *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	list, err := listOf(in)
	if err != nil {
		return nil, err
	}
	return list, b.spend(size(in))
}

func itemsFilter(_ *budget, in *exec.Value, _ *exec.VarArgs) (any, error) {
	if in.IsNil() {
		return []any{}, nil
	}
	if !in.IsDict() {
		return nil, fmt.Errorf("items of %s, not of a dict", kind(in))
	}
	return pairList(entries(in)), nil
}

func pairList(pairs []*exec.Pair) []any {
	out := []any{}
	for _, p := range pairs {
		out = append(out, []*exec.Value{p.Key, p.Value})
	}
	return out
}
