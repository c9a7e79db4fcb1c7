package chat

import (
	"fmt"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// statements are the tags a chat template may use. Jinja's others load files,
// or are not used by chat templates; they are refused when the template is
// compiled.
func statements() *exec.ControlStructureSet {
	set := map[string]parser.ControlStructureParser{"set": parseSet, "generation": parseGeneration}
	for _, name := range []string{"if", "macro", "raw", "break", "continue"} {
		set[name], _ = builtins.ControlStructures.Get(name)
	}
	set["for"] = parseFor
	return exec.NewControlStructureSet(set)
}

// parseFor is gonja's, without "recursive", whose depth nothing bounds.
func parseFor(p, args *parser.Parser) (nodes.ControlStructure, error) {
	parse, _ := builtins.ControlStructures.Get("for")
	s, err := parse(p, args)
	if err == nil && isRecursive(s) {
		return nil, fmt.Errorf("a recursive for loop is not supported")
	}
	return s, err
}

// setStatement is {% set x = … %}, {% set ns.x = … %} and the block form. gonja
// has one, but hides its parts from rewrite.go.
type setStatement struct {
	at     *tokens.Token
	target nodes.Expression
	value  nodes.Expression // or
	body   *nodes.Wrapper
}

func (s *setStatement) Position() *tokens.Token { return s.at }
func (s *setStatement) String() string          { return "set" }

func parseSet(p, args *parser.Parser) (nodes.ControlStructure, error) {
	s := &setStatement{at: p.Current()}
	var err error
	if s.target, err = args.ParseVariableOrLiteral(); err != nil {
		return nil, err
	}
	if args.Match(tokens.Assign) == nil {
		if !args.End() {
			return nil, args.Error("expected = or the end of the tag after the name to set", args.Current())
		}
		s.body, _, err = p.WrapUntil("endset")
		return s, err
	}
	if s.value, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	if !args.End() {
		return nil, args.Error("expected the end of the set tag", args.Current())
	}
	return s, nil
}

func (s *setStatement) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	value, err := s.eval(r)
	if err != nil {
		return err
	}
	switch t := s.target.(type) {
	case *nodes.Name:
		r.Environment.Context.Set(t.Name.Val, value)
		return nil
	case *nodes.GetAttribute:
		// Only a namespace can be changed, as in Jinja.
		ns, ok := r.Eval(t.Node).Interface().(namespace)
		if ok {
			if err := holdable(value); err != nil {
				return err
			}
			ns[t.Attribute] = value
			return nil
		}
	}
	return fmt.Errorf("set: only a name or a namespace's attribute can be set")
}

func (s *setStatement) eval(r *exec.Renderer) (*exec.Value, error) {
	if s.body == nil {
		v := r.Eval(s.value)
		if v.IsError() {
			return nil, v
		}
		return v, nil
	}
	var out strings.Builder
	sub := r.Inherit()
	sub.Output = &out
	if err := sub.ExecuteWrapper(s.body); err != nil {
		return nil, err
	}
	return exec.AsValue(out.String()), nil
}

// namespace is the value of namespace(…).
type namespace map[string]any

func newNamespace(_ *exec.Evaluator, args *exec.VarArgs) (any, error) {
	ns := namespace{}
	for k, v := range args.KwArgs {
		if err := holdable(v); err != nil {
			return nil, err
		}
		ns[k] = v
	}
	return ns, nil
}

// holdable refuses a namespace as a part of another value: what it holds may change,
// so that a value could grow without being charged, or hold itself.
func holdable(v *exec.Value) error {
	if _, ok := v.Interface().(namespace); ok {
		return fmt.Errorf("a namespace cannot be put into another value")
	}
	return nil
}

// generationStatement is transformers' {% generation %}…{% endgeneration %}: it
// marks the assistant's text for training and renders as its content.
type generationStatement struct {
	at   *tokens.Token
	body *nodes.Wrapper
}

func (s *generationStatement) Position() *tokens.Token { return s.at }
func (s *generationStatement) String() string          { return "generation" }

func parseGeneration(p, args *parser.Parser) (nodes.ControlStructure, error) {
	if !args.End() {
		return nil, args.Error("generation takes nothing", args.Current())
	}
	s := &generationStatement{at: p.Current()}
	var err error
	s.body, _, err = p.WrapUntil("endgeneration")
	return s, err
}

func (s *generationStatement) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	return r.ExecuteIfWrapper(s.body)
}
