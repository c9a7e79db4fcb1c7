package chat

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/nodes"
)

// RaisedError: the template called raise_exception (roles that do not
// alternate, a role it does not know, …). Message is the template's own.
type RaisedError struct{ Message string }

func (e *RaisedError) Error() string { return "chat template: " + e.Message }

// LimitError: rendering did not end within a bound of budget.go.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return "chat template: " + e.Message }

const rootName = "/chat_template"

// engine is a compiled template. It does not change after compile.
type engine struct {
	root    *exec.Template
	config  *config.Config
	filters *exec.FilterSet
	tests   *exec.TestSet
}

// compile parses a template. Panics of the library are errors: a template is
// input.
func compile(source string) (e *engine, err error) {
	defer func() {
		if p := recover(); p != nil {
			e, err = nil, fmt.Errorf("cannot be parsed: %v", p)
		}
	}()
	prepared, err := prepare(source)
	if err != nil {
		return nil, err
	}
	e = &engine{config: config.New(), filters: filters(), tests: tests()}
	e.config.TrimBlocks, e.config.LeftStripBlocks = true, true
	env := &exec.Environment{Context: exec.EmptyContext(), ControlStructures: statements()}
	e.root, err = exec.NewTemplate(rootName, e.config, oneTemplate(prepared), env)
	if err != nil {
		return nil, parseError(err, prepared)
	}
	w := &rewriter{filters: e.filters, tests: e.tests}
	w.nodes(e.root.Root().Nodes)
	if w.err != nil {
		return nil, w.err
	}
	return e, nil
}

// parseError is the library's message without the whole template in it.
func parseError(err error, source string) error {
	msg := strings.ReplaceAll(err.Error(), "failed to parse template '"+source+"': ", "")
	return errors.New(msg)
}

func isRecursive(s nodes.ControlStructure) bool {
	f, ok := s.(*controls.ForControlStructure)
	return ok && f.Recursive
}

// render is one run of a template.
type render struct {
	budget *budget
	raised *RaisedError
}

// run executes the template with these variables.
func (e *engine) run(vars map[string]any) (string, error) {
	r := &render{budget: newBudget()}
	text, err := r.execute(e, vars)
	switch {
	case r.raised != nil:
		return "", r.raised
	case r.budget.spent != nil:
		return "", r.budget.spent
	case r.budget.cause != nil:
		return "", fmt.Errorf("chat template: %w", r.budget.cause)
	case err != nil:
		return "", fmt.Errorf("chat template: %s", reason(err))
	}
	return text, nil
}

// maxReason bounds a message of the library, which may quote a whole value.
const maxReason = 200

// reason is what went wrong: the library's message tells the way there first.
func reason(err error) string {
	msg := err.Error()
	msg = msg[strings.LastIndex(msg, ": ")+1:]
	return strings.ToValidUTF8(strings.TrimSpace(msg[:min(len(msg), maxReason)]), "")
}

func (r *render) execute(e *engine, vars map[string]any) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	all := r.functions()
	maps.Copy(all, vars)
	all["none"], all[budgetName] = none, r.budget
	env := &exec.Environment{
		Context: exec.NewContext(all), Filters: e.filters, Tests: e.tests, Methods: methods(r.budget),
	}
	var out strings.Builder
	err = exec.NewRenderer(env, &out, e.config, oneTemplate(""), e.root).Execute()
	return out.String(), err
}

// oneTemplate is a loader that knows the root template and nothing else, so
// that no template reaches a file.
type oneTemplate string

func (o oneTemplate) Read(path string) (io.Reader, error) {
	if path != rootName {
		return nil, errors.New("a chat template cannot load others")
	}
	return strings.NewReader(string(o)), nil
}

func (o oneTemplate) Resolve(path string) (string, error)    { return path, nil }
func (o oneTemplate) Inherit(string) (loaders.Loader, error) { return o, nil }
