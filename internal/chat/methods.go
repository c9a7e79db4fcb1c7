package chat

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// keptMethods are gonja's string methods that agree with Python's.
var keptMethods = []string{
	"capitalize", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace", "isupper",
	"lower", "removeprefix", "removesuffix", "rfind", "splitlines", "startswith", "swapcase", "title", "upper",
}

// methods are the methods of values. Those that change a value are left out,
// as in Jinja's sandbox; those that could make a text of any length (center,
// zfill, …) too. b is the budget of the render. Those of dicts and lists get the
// value alone.
func methods(b *budget) exec.Methods {
	return exec.Methods{
		Str:  exec.NewMethodSet(stringMethods(b)),
		Dict: exec.NewMethodSet(dictMethods(b)),
		List: exec.NewMethodSet(listMethods(b)),
	}
}

func stringMethods(b *budget) map[string]exec.Method[string] {
	set := map[string]exec.Method[string]{
		"strip":  stripMethod(strings.Trim),
		"lstrip": stripMethod(strings.TrimLeft),
		"rstrip": stripMethod(strings.TrimRight),
		"split":  splitMethod(splitLeft),
		"rsplit": splitMethod(splitRight),
		"replace": func(s string, _ *exec.Value, args *exec.VarArgs) (any, error) {
			return replace(b, s, args)
		},
		"count": func(s string, _ *exec.Value, args *exec.VarArgs) (any, error) {
			sub, err := stringArg(args, "sub", "")
			return strings.Count(s, sub), err
		},
		"join": func(s string, _ *exec.Value, args *exec.VarArgs) (any, error) {
			list, err := listOf(b, args.First())
			if err != nil {
				return nil, err
			}
			return joinList(b, s, list)
		},
	}
	for _, name := range keptMethods {
		set[name], _ = builtins.Methods.Str.Get(name)
	}
	for name, m := range set {
		set[name] = func(s string, v *exec.Value, args *exec.VarArgs) (any, error) {
			if err := b.spend(len(s)); err != nil {
				return nil, err
			}
			out, err := m(s, v, args)
			if err != nil {
				return nil, b.note(err)
			}
			if parts := exec.ToValue(out); parts.IsList() {
				return out, b.spend(surface(parts))
			}
			return out, nil
		}
	}
	return set
}

func stripMethod(trim func(s, chars string) string) exec.Method[string] {
	return func(s string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		chars, err := charsArg(args)
		if err != nil {
			return nil, err
		}
		return trim(s, chars), nil
	}
}

// splitMethod is split and rsplit: sep none means runs of white space.
func splitMethod(split func(s, sep string, n int) []string) exec.Method[string] {
	return func(s string, _ *exec.Value, args *exec.VarArgs) (any, error) {
		n, err := intArg(args, 1, "maxsplit", -1)
		if err != nil {
			return nil, err
		}
		sep := arg(args, 0, "sep")
		if sep == nil || isNone(sep) {
			if n >= 0 {
				return nil, fmt.Errorf("split at white space with maxsplit is not supported")
			}
			return strings.FieldsFunc(s, unicode.IsSpace), nil
		}
		text, err := stringArg(args, "sep", "")
		if err != nil || text == "" {
			return nil, fmt.Errorf("split: the separator is not a text of at least one character")
		}
		return split(s, text, n), nil
	}
}

// splitLeft splits at the first n separators, at all if n < 0.
func splitLeft(s, sep string, n int) []string {
	if n >= 0 {
		n++
	}
	return strings.SplitN(s, sep, n)
}

func splitRight(s, sep string, n int) []string {
	parts := strings.Split(s, sep)
	if extra := len(parts) - 1 - n; n >= 0 && extra > 0 {
		return slices.Concat([]string{strings.Join(parts[:extra+1], sep)}, parts[extra+1:])
	}
	return parts
}

func dictMethods(b *budget) map[string]exec.Method[map[string]any] {
	return map[string]exec.Method[map[string]any]{
		"get": func(_ map[string]any, v *exec.Value, args *exec.VarArgs) (any, error) {
			if found, err := item(b, v, args.First()); err != nil || !found.IsNil() {
				return found.Interface(), err
			}
			if otherwise := arg(args, 1, "default"); otherwise != nil {
				return otherwise.Interface(), nil
			}
			return none, nil
		},
		"items": func(_ map[string]any, v *exec.Value, _ *exec.VarArgs) (any, error) { return itemsFilter(b, v, nil) },
		"keys":  func(_ map[string]any, v *exec.Value, _ *exec.VarArgs) (any, error) { return listOf(b, v) },
		"values": func(_ map[string]any, v *exec.Value, _ *exec.VarArgs) (any, error) {
			if err := b.spend(surface(v)); err != nil {
				return nil, err
			}
			out := []*exec.Value{}
			for _, p := range entries(v) {
				out = append(out, p.Value)
			}
			return out, nil
		},
	}
}

func listMethods(b *budget) map[string]exec.Method[[]any] {
	return map[string]exec.Method[[]any]{
		"count": func(_ []any, v *exec.Value, args *exec.VarArgs) (any, error) {
			n := 0
			err := find(b, v, args.First(), func(int) bool { n++; return false })
			return n, err
		},
		"index": func(_ []any, v *exec.Value, args *exec.VarArgs) (any, error) {
			at := -1
			err := find(b, v, args.First(), func(i int) bool { at = i; return true })
			if err == nil && at < 0 {
				err = fmt.Errorf("index: the list does not hold the value looked for, %s", kind(args.First()))
			}
			return at, err
		},
	}
}

// find calls found with each place of a list that has the value, until it returns true.
func find(b *budget, list, value *exec.Value, found func(i int) bool) error {
	if err := searched(b, list, value); err != nil {
		return err
	}
	for r, i := deref(list), 0; i < r.Len(); i++ {
		if exec.ToValue(r.Index(i)).EqualValueTo(value) && found(i) {
			return nil
		}
	}
	return nil
}
