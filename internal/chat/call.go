package chat

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// call is x.f(…), as a filter of x. The library's own call works x out twice, so that
// a chain of calls takes twice the time with each, and makes a text of x for an error
// that it seldom needs.
func call(e *exec.Evaluator, x *exec.Value, args *exec.VarArgs) *exec.Value {
	if x.IsError() {
		return x
	}
	b := budgetOf(e)
	rest := &exec.VarArgs{Args: args.Args[1:], KwArgs: args.KwArgs}
	err := b.spend(0)
	var out any
	if err == nil {
		out, err = invoke(e, x, args.Args[0].String(), rest)
	}
	if err != nil {
		return exec.AsValue(b.note(err))
	}
	return exec.ToValue(out)
}

// invoke calls what x has by that name: a function or macro, or a method of its kind.
func invoke(e *exec.Evaluator, x *exec.Value, name string, args *exec.VarArgs) (any, error) {
	if f, found := x.Get(name); found {
		switch f := f.Interface().(type) {
		case func(*exec.VarArgs) *exec.Value: // of a loop, which compares what it is given
			for _, v := range args.Args {
				if err := budgetOf(e).spend(size(v)); err != nil {
					return nil, err
				}
			}
			return f(args), nil
		case exec.Macro:
			return f(args), nil
		}
	}
	out, known, err := method(e.Environment.Methods, x, name, args)
	if !known {
		return nil, fmt.Errorf("unknown method '%s' of %s", name, kind(x))
	}
	return out, err
}

// method calls a method of a text, list or dict; known says that there is one.
func method(m exec.Methods, x *exec.Value, name string, args *exec.VarArgs) (out any, known bool, err error) {
	switch {
	case x.IsString():
		if f, ok := m.Str.Get(name); ok {
			out, err = f(x.String(), x, args)
			return out, true, err
		}
	case x.IsList():
		if f, ok := m.List.Get(name); ok {
			out, err = f(nil, x, args)
			return out, true, err
		}
	case x.IsDict():
		if f, ok := m.Dict.Get(name); ok {
			out, err = f(nil, x, args)
			return out, true, err
		}
	}
	return nil, false, nil
}
