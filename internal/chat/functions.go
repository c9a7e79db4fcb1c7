package chat

import (
	"fmt"
	"time"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// maxRange is the most numbers a range may have, as in Jinja's sandbox.
const maxRange = 100_000

// functions are the global functions of a template, for one render.
func (r *render) functions() map[string]any {
	return map[string]any{
		"raise_exception": func(_ *exec.Evaluator, args *exec.VarArgs) (any, error) {
			message, err := r.budget.text(args.First())
			if err != nil {
				return nil, err
			}
			r.raised = &RaisedError{Message: message}
			return nil, r.raised
		},
		"strftime_now": func(_ *exec.Evaluator, args *exec.VarArgs) (any, error) {
			return r.now(args.First())
		},
		"namespace": newNamespace,
		"range": func(_ *exec.Evaluator, args *exec.VarArgs) (any, error) {
			return numbers(r.budget, args)
		},
		"dict": func(_ *exec.Evaluator, args *exec.VarArgs) (any, error) {
			if len(args.Args) > 0 {
				return nil, fmt.Errorf("dict takes named values only")
			}
			d := map[string]any{}
			for k, v := range args.KwArgs {
				if err := holdable(v); err != nil {
					return nil, err
				}
				d[k] = v
			}
			return d, r.budget.spend(size(exec.AsValue(d)))
		},
	}
}

// now is strftime_now(format).
func (r *render) now(format *exec.Value) (any, error) {
	layout, err := r.budget.text(format)
	if err != nil {
		return nil, err
	}
	if err := r.budget.spend(longestDirective * len(layout)); err != nil {
		return nil, err
	}
	return strftime(time.Now(), layout)
}

// numbers is range([start,] stop[, step]).
func numbers(b *budget, args *exec.VarArgs) (any, error) {
	bounds := [3]int{0, 0, 1}
	for i, v := range args.Args {
		if i > 2 || !v.IsInteger() {
			return nil, fmt.Errorf("range takes one to three ints")
		}
		bounds[i] = v.Integer()
	}
	if len(args.Args) == 1 {
		bounds[0], bounds[1] = 0, bounds[0]
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if len(args.Args) == 0 || step == 0 {
		return nil, fmt.Errorf("range takes a stop, and a step other than 0")
	}
	out := []int{}
	for i := start; step > 0 && i < stop || step < 0 && i > stop; i += step {
		if len(out) == maxRange {
			return nil, b.fail("a range of more than %d numbers", maxRange)
		}
		out = append(out, i)
	}
	return out, b.spend(16 * len(out))
}
