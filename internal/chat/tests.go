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
		set[name], _ = builtins.Tests.Get(name)
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

// sorted is pairs in the order of their keys.
func sorted(pairs []*exec.Pair) []*exec.Pair {
	return slices.SortedStableFunc(slices.Values(pairs), func(a, b *exec.Pair) int {
		return strings.Compare(show(a.Key), show(b.Key))
	})
}
