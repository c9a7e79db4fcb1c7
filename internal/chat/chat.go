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
)

// ErrNoTemplate: the checkpoint has no chat template (a base model).
var ErrNoTemplate = errors.New("the checkpoint has no chat template")

// Message is one turn.
type Message struct {
	Role    string
	Content string
	// Extra are further fields that a template may read (name, tool_calls, …).
	// An entry "content" replaces Content, so that nil can say "no content".
	Extra map[string]any
}

// fields is the dict that the template sees.
func (m Message) fields() map[string]any {
	f := map[string]any{"role": m.Role, "content": m.Content}
	for k, v := range m.Extra {
		f[k] = v
	}
	return f
}

// Template renders conversations. It is safe for concurrent use.
type Template struct {
	engine  *engine
	special map[string]any // bos_token, eos_token, …: as in the checkpoint
}

// EOSToken is the text of the token that ends a turn, "" if none is named.
func (t *Template) EOSToken() string {
	s, _ := t.special["eos_token"].(string)
	return s
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
	vars := map[string]any{"tools": nil, "documents": nil}
	for k, v := range t.special {
		vars[k] = v
	}
	for k, v := range kwargs {
		if k == "messages" || k == "add_generation_prompt" {
			return "", fmt.Errorf("chat template: the variable %q cannot be set by the caller", k)
		}
		vars[k] = v
	}
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = m.fields()
	}
	vars["messages"], vars["add_generation_prompt"] = list, addGenerationPrompt
	return t.engine.render(vars)
}
