package chat

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// engine is a compiled template and the Jinja environment it runs in.
type engine struct {
	template *exec.Template
}

// RaisedError: the template called raise_exception (roles that do not
// alternate, a role it does not know, …). Message is the template's own.
type RaisedError struct{ Message string }

func (e *RaisedError) Error() string { return "chat template: " + e.Message }

// LimitError: rendering did not end within a bound.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return "chat template: " + e.Message }

func newEngine(source string) (*engine, error) {
	cfg := config.New()
	cfg.TrimBlocks, cfg.LeftStripBlocks = true, true
	env := &exec.Environment{
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions), Filters: builtins.Filters, Tests: builtins.Tests,
		ControlStructures: builtins.ControlStructures, Methods: builtins.Methods,
	}
	t, err := exec.NewTemplate(rootName, cfg, oneTemplate(source), env)
	if err != nil {
		return nil, err
	}
	return &engine{template: t}, nil
}

func (e *engine) render(vars map[string]any) (string, error) {
	var raised *RaisedError
	vars["raise_exception"] = func(_ *exec.Evaluator, args *exec.VarArgs) (any, error) {
		raised = &RaisedError{Message: args.First().String()}
		return nil, raised
	}
	text, err := e.template.ExecuteToString(exec.NewContext(vars))
	if raised != nil {
		return "", raised
	}
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return text, nil
}

const rootName = "/chat_template"

// oneTemplate is a loader that knows the root template and nothing else, so
// that include, import and extends reach no file.
type oneTemplate string

func (o oneTemplate) Read(path string) (io.Reader, error) {
	if path != rootName {
		return nil, errors.New("a chat template cannot load others")
	}
	return strings.NewReader(string(o)), nil
}

func (o oneTemplate) Resolve(path string) (string, error)    { return path, nil }
func (o oneTemplate) Inherit(string) (loaders.Loader, error) { return o, nil }
