// Package chat turns a conversation into the text a model was trained on, by
// the Jinja chat template that its checkpoint ships.
//
// Rendering follows transformers' apply_chat_template: trim_blocks and
// lstrip_blocks on, the variables messages, tools, documents,
// add_generation_prompt and the special tokens, the functions raise_exception
// and strftime_now, and a tojson that escapes no HTML. ADR 0021 tells how the
// Jinja library is used and where it had to be helped.
package chat

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// ErrNoTemplate: the checkpoint has no chat template (a base model).
var ErrNoTemplate = errors.New("the checkpoint has no chat template")

// Message is one turn.
type Message struct {
	Role    string
	Content string
	// Extra are further fields that a template may read (name, tool_calls, …),
	// as JSON decodes them. An entry "content" replaces Content, so that nil
	// can say "no content"; "role" is ignored.
	Extra map[string]any
}

// dict is what the template sees: role, content, then the rest by name.
func (m Message) dict() *exec.Dict {
	d := exec.NewDict()
	set := func(k string, v any) {
		d.Pairs = append(d.Pairs, &exec.Pair{Key: exec.AsValue(k), Value: exec.AsValue(fromGo(v))})
	}
	set("role", m.Role)
	content, ok := m.Extra["content"]
	if !ok {
		content = m.Content
	}
	set("content", content)
	for _, k := range slices.Sorted(maps.Keys(m.Extra)) {
		if k != "role" && k != "content" {
			set(k, m.Extra[k])
		}
	}
	return d
}

// Template renders conversations. It is safe for concurrent use.
type Template struct {
	engine  *engine
	special map[string]string // bos_token, eos_token, …: as in the checkpoint
}

// Render is the text of a conversation, special tokens included: encode it
// without adding any. addGenerationPrompt asks for the opening of the
// assistant's next turn. kwargs are further variables of the template and win
// over the special tokens; the names messages and add_generation_prompt are
// taken.
//
// Every error is one of the template with this conversation (the caller's
// request), never of the server: a *RaisedError where the template itself
// refused, a *LimitError where it did not end in bounds.
func (t *Template) Render(messages []Message, addGenerationPrompt bool, kwargs map[string]any) (string, error) {
	vars := map[string]any{"tools": none, "documents": none}
	for k, v := range t.special {
		vars[k] = v
	}
	for k, v := range kwargs {
		if k == "messages" || k == "add_generation_prompt" {
			return "", fmt.Errorf("chat template: the variable %q cannot be set by the caller", k)
		}
		vars[k] = fromGo(v)
	}
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = m.dict()
	}
	vars["messages"], vars["add_generation_prompt"] = list, addGenerationPrompt
	return t.engine.run(vars)
}
