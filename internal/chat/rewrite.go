package chat

import (
	"fmt"
	"slices"

	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// rewriter replaces, in a parsed template, every operation that gonja computes
// otherwise than Jinja or that costs more than a step, by a call of one of our
// filters (their names start with "__", which a template cannot write):
//
//	x + y        x | __add(y)       operators.go
//	x == y       x | __eq(y)        compare.go
//	not x        x | __not          a bool, for numbers too
//	x[y]         x | __item(y)      access.go
//	[x, y]       [x, y] | __made    charged to the budget
//	x.f(y)       x | __call("f", y) call.go
//	x[y:z]       x | __slice        charged
//	{{ x }}      {{ x | __out }}    printed as Python does, charged
//	for _ in x   x | __iter         access.go
//	a loop's or macro's body starts with a charge for the text and the steps in it
//
// It also notes the first filter or test that does not exist, so that a
// template is refused when it is loaded.
type rewriter struct {
	filters *exec.FilterSet
	tests   *exec.TestSet
	steps   int // of evaluation, in the innermost body so far
	err     error
}

// unknown notes a name that does not exist.
func (w *rewriter) unknown(what string, at *tokens.Token, name string) {
	if w.err == nil {
		w.err = fmt.Errorf("line %d: the %s %q is not supported", at.Line, what, name)
	}
}

func (w *rewriter) nodes(ns []nodes.Node) {
	for _, n := range ns {
		switch n := n.(type) {
		case *nodes.Output:
			n.Expression = filtered(w.expression(n.Expression), "__out")
		case *nodes.ControlStructureBlock:
			w.statement(n.ControlStructure)
		}
	}
}

func (w *rewriter) statement(s nodes.ControlStructure) {
	w.steps += stepsPerTag
	switch s := s.(type) {
	case *controls.ForControlStructure:
		s.ObjectEvaluator = filtered(w.expression(s.ObjectEvaluator), "__iter")
		s.IfCondition = w.expression(s.IfCondition)
		w.body(s.BodyWrapper)
		w.body(s.EmptyWrapper)
	case *controls.IfControlStructure:
		for i := range s.Conditions {
			s.Conditions[i] = w.expression(s.Conditions[i])
		}
		for _, b := range s.Wrappers {
			w.nodes(b.Nodes)
		}
	case *controls.MacroControlStructure:
		for _, p := range s.Kwargs {
			p.Value = guarded(w.expression(p.Value))
		}
		w.body(s.Wrapper)
		at := s.Wrapper.Location
		s.Wrapper.Nodes = slices.Concat([]nodes.Node{action(at, "__enter")}, s.Wrapper.Nodes, []nodes.Node{action(at, "__leave")})
	case *setStatement:
		s.value = w.expression(s.value)
		w.body(s.body)
	case *generationStatement:
		w.nodes(s.body.Nodes)
	}
}

// body rewrites what may run more than once: a node before it charges for the
// text that it may write and the steps that it may take.
func (w *rewriter) body(b *nodes.Wrapper) {
	if b == nil {
		return
	}
	outer := w.steps
	w.steps = 0
	w.nodes(b.Nodes)
	integer := func(n int) nodes.Expression { return &nodes.Integer{Location: b.Location, Val: n} }
	charge := action(b.Location, "__charge", integer(textLen(b.Nodes)), integer(w.steps/stepsPerWork))
	b.Nodes = slices.Concat([]nodes.Node{charge}, b.Nodes)
	w.steps = outer
}

// action is a node that calls one of our filters and writes nothing.
func action(at *tokens.Token, name string, args ...nodes.Expression) nodes.Node {
	return &nodes.Output{Start: at, Expression: filtered(&nodes.String{Location: at}, name, args...), End: at}
}

// guarded counts the evaluation of a macro's default value as a call: it may
// call the macro again.
func guarded(e nodes.Expression) nodes.Expression {
	at := e.Position()
	enter := filtered(&nodes.String{Location: at}, "__enter")
	both := &tokens.Token{Type: tokens.Or, Val: "or"} // __enter gives ""
	return filtered(&nodes.BinaryExpression{Left: enter, Right: e, Operator: &nodes.BinOperator{Token: both}}, "__leave")
}

// textLen is the length of the text between tags, with that in branches; loops
// and macros within charge their own.
func textLen(ns []nodes.Node) int {
	n := 0
	for _, x := range ns {
		switch x := x.(type) {
		case *nodes.Data:
			n += len(x.Data.Val)
		case *nodes.ControlStructureBlock:
			switch s := x.ControlStructure.(type) {
			case *controls.IfControlStructure:
				for _, w := range s.Wrappers {
					n += textLen(w.Nodes)
				}
			case *generationStatement:
				n += textLen(s.body.Nodes)
			case *controls.RawControlStructure:
				n += len(s.Position().Val)
			}
		}
	}
	return n
}

func filtered(e nodes.Expression, name string, args ...nodes.Expression) *nodes.FilteredExpression {
	at := e.Position()
	call := &nodes.FilterCall{Token: &tokens.Token{Type: tokens.Name, Val: name}, Name: name, Args: args}
	if at != nil {
		call.Token.Line, call.Token.Col = at.Line, at.Col
	}
	return &nodes.FilteredExpression{Expression: e, Filters: []*nodes.FilterCall{call}}
}

// expression rewrites one expression, operands first.
func (w *rewriter) expression(e nodes.Expression) nodes.Expression {
	w.steps++
	switch e := e.(type) {
	case *nodes.BinaryExpression:
		e.Left, e.Right = w.expression(e.Left), w.expression(e.Right)
		if name, ok := binaryOps[e.Operator.Token.Type]; ok {
			return filtered(e.Left, name, e.Right)
		}
	case *nodes.UnaryExpression:
		e.Term = w.expression(e.Term)
	case *nodes.Negation:
		return filtered(w.expression(e.Term), "__not")
	case *nodes.FilteredExpression:
		e.Expression = w.expression(e.Expression)
		for _, f := range e.Filters {
			if !w.filters.Exists(f.Name) {
				w.unknown("filter", f.Token, f.Name)
			}
			w.args(f.Args, f.Kwargs)
		}
	case *nodes.TestExpression:
		if !w.tests.Exists(e.Test.Name) {
			w.unknown("test", e.Test.Token, e.Test.Name)
		}
		e.Expression = w.expression(e.Expression)
		w.args(e.Test.Args, e.Test.Kwargs)
	case *nodes.Call, *nodes.GetItem, *nodes.GetSlice, *nodes.GetAttribute:
		return w.access(e)
	case *nodes.List, *nodes.Tuple, *nodes.Dict:
		return w.collection(e)
	}
	return e
}

func (w *rewriter) args(args []nodes.Expression, kwargs map[string]nodes.Expression) {
	for i := range args {
		args[i] = w.expression(args[i])
	}
	for k := range kwargs {
		kwargs[k] = w.expression(kwargs[k])
	}
}

// access rewrites calls, items, slices and attributes.
func (w *rewriter) access(e nodes.Expression) nodes.Expression {
	switch e := e.(type) {
	case *nodes.Call:
		w.args(e.Args, e.Kwargs)
		f, method := e.Func.(*nodes.GetAttribute)
		if !method || e.Parent == nil {
			e.Func = w.expression(e.Func)
			return e
		}
		name := &nodes.String{Location: e.Position(), Val: f.Attribute}
		call := filtered(w.expression(f.Node), "__call", append([]nodes.Expression{name}, e.Args...)...)
		call.Filters[0].Kwargs = e.Kwargs
		return call
	case *nodes.GetItem:
		if e.Arg == nil {
			return e
		}
		return filtered(w.expression(e.Node), "__item", w.expression(e.Arg))
	case *nodes.GetSlice:
		e.Node = filtered(w.expression(e.Node), "__slice", &nodes.Bool{Location: e.Position(), Val: e.Step != nil})
		for _, part := range []*nodes.Node{&e.Start, &e.End, &e.Step} {
			if *part != nil {
				*part = w.expression(*part)
			}
		}
		return e
	case *nodes.GetAttribute:
		e.Node = w.expression(e.Node)
	}
	return e
}

func (w *rewriter) collection(e nodes.Expression) nodes.Expression {
	switch e := e.(type) {
	case *nodes.List:
		w.args(e.Val, nil)
	case *nodes.Tuple:
		w.args(e.Val, nil)
	case *nodes.Dict:
		for _, p := range e.Pairs {
			p.Key, p.Value = w.expression(p.Key), w.expression(p.Value)
		}
	}
	return filtered(e, "__made")
}
