package chat

import (
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// keptTests are gonja's tests that agree with Jinja's.
var keptTests = []string{
	"callable", "divisibleby", "eq", "equalto", "==", "even", "ge", ">=", "gt", "greaterthan", ">", "in",
	"le", "<=", "lower", "lt", "lessthan", "<", "ne", "!=", "odd", "sameas", "upper",
}

// ownTests know none from undefined, and bools from numbers.
var ownTests = map[string]func(v *exec.Value) bool{
	"defined":   func(v *exec.Value) bool { return !v.IsNil() },
	"undefined": func(v *exec.Value) bool { return v.IsNil() },
	"none":      isNone,
	"boolean":   isBool,
	"true":      func(v *exec.Value) bool { return isBool(v) && v.Bool() },
	"false":     func(v *exec.Value) bool { return isBool(v) && !v.Bool() },
	"string":    func(v *exec.Value) bool { return v.IsString() },
	"number":    isNumber,
	"integer":   func(v *exec.Value) bool { return v.IsInteger() },
	"float":     func(v *exec.Value) bool { return v.IsFloat() },
	"mapping":   func(v *exec.Value) bool { return v.IsDict() },
	"sequence":  isCollection,
	"iterable":  func(v *exec.Value) bool { return v.IsNil() || isCollection(v) },
}

func isCollection(v *exec.Value) bool { return v.IsString() || v.IsList() || v.IsDict() }

func tests() *exec.TestSet {
	set := map[string]exec.TestFunction{}
	for _, name := range keptTests {
		f, _ := builtins.Tests.Get(name)
		set[name] = chargedTest(name, f.(func(*exec.Context, *exec.Value, *exec.VarArgs) (bool, error)))
	}
	for name, f := range ownTests {
		set[name] = func(_ *exec.Evaluator, v *exec.Value, _ *exec.VarArgs) (bool, error) {
			if v.IsError() {
				return false, v
			}
			return f(v), nil
		}
	}
	return exec.NewTestSet(set)
}

// chargedTest makes one of gonja's tests pay for what it reads.
func chargedTest(name string, f func(*exec.Context, *exec.Value, *exec.VarArgs) (bool, error)) exec.TestFunction {
	return func(e *exec.Evaluator, v *exec.Value, args *exec.VarArgs) (bool, error) {
		if v.IsError() {
			return false, v
		}
		b := budgetOf(e)
		err := b.spend(0)
		switch {
		case err != nil:
		case name == "in":
			err = searched(b, args.First(), v)
		case name == "lower" || name == "upper":
			err = b.spend(surface(v))
		case len(args.Args) > 0:
			err = compared(b, v, args.First())
		}
		if err != nil {
			return false, err
		}
		return f(e.Environment.Context, v, args)
	}
}

// sorted is pairs in the order of their keys.
func sorted(pairs []*exec.Pair) []*exec.Pair {
	return slices.SortedStableFunc(slices.Values(pairs), func(a, b *exec.Pair) int {
		return strings.Compare(show(a.Key), show(b.Key))
	})
}
