package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Bounds of a conversation.
const (
	// maxMessages: each costs template work before the tokens are counted; at 2 tokens a
	// turn more could not fit any context.
	maxMessages = 2048
	maxParts    = 2048 // of a message: likewise
	// maxKwargs bytes of chat_template_kwargs, which hold a few switches: as the values of a
	// template they take a hundred times as much.
	maxKwargs = 64 << 10
)

// roles maps what clients may send to what the templates know. "developer" is
// OpenAI's newer name of "system".
var roles = map[string]string{"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

// parseMessages reads the conversation. With anyRole it is only to be shown as
// the template renders it, so what the template would drop (an unknown role,
// no message at all) is not refused.
func parseMessages(f *fields, anyRole bool) []Message {
	raw, ok := f.take("messages")
	if !ok {
		f.fail("messages", "is required")
		return nil
	}
	if n := elements(raw); n > maxMessages {
		f.fail("messages", "has %d messages, more than the %d allowed", n, maxMessages)
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 && !anyRole {
		f.fail("messages", "must be a list with at least one message")
		return nil
	}
	messages := make([]Message, len(list))
	for i, m := range list {
		if err := messages[i].parse(fmt.Sprintf("messages[%d].", i), m, anyRole); err != nil {
			f.err = err
			return nil
		}
	}
	return messages
}

func (m *Message) parse(path string, raw json.RawMessage, anyRole bool) error {
	f, err := parseObject(path, raw)
	if err != nil {
		return err
	}
	role := f.text("role", "")
	known, ok := roles[role]
	if !ok && !anyRole {
		f.fail("role", "is %q; supported are system, developer, user and assistant", clip(role))
	}
	if m.Role = role; ok {
		m.Role = known
	}
	m.Name = f.text("name", "") // OLMoE's own templates do not show it to the model
	m.Content = parseContent(f)
	if kind := f.text("type", "text"); kind != "text" && kind != "message" {
		f.fail("type", "is %q; only text is supported", clip(kind))
	}
	for _, name := range emptyInMessages {
		if raw, given := f.take(name); given && !empty(raw) {
			f.fail(name, "is not supported by this server")
		}
	}
	return f.end()
}

// emptyInMessages are fields of answers, which clients send back as parts of the conversation:
// OpenAI's, and what LiteLLM and servers of reasoning models add.
var emptyInMessages = []string{"tool_calls", "function_call", "audio", "refusal", "annotations", "tool_call_id",
	"reasoning", "reasoning_content", "provider_specific_fields"}

// empty reports whether a value says nothing: "", [], {}, or an object of nulls.
func empty(raw json.RawMessage) bool {
	if raw[0] != '{' {
		return slices.Contains([]string{`""`, "[]"}, compact(raw))
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return false
	}
	for _, v := range fields {
		if string(v) != "null" {
			return false
		}
	}
	return true
}

// parseContent reads a string or a list of text parts, which are joined by a
// newline as vLLM does.
func parseContent(f *fields) string {
	raw, ok := f.take("content")
	switch {
	case !ok:
		f.fail("content", "is required")
		return ""
	case raw[0] == '"':
		f.raw["content"] = raw
		return f.text("content", "")
	}
	if n := elements(raw); n > maxParts {
		f.fail("content", "has %d parts, more than the %d allowed", n, maxParts)
		return ""
	}
	var parts []json.RawMessage
	if json.Unmarshal(raw, &parts) != nil || len(parts) == 0 {
		f.fail("content", "must be a string or a list of at least one part")
		return ""
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		part, err := parseObject(fmt.Sprintf("%scontent[%d].", f.path, i), p)
		if err != nil {
			f.err = err
			return ""
		}
		if kind := part.text("type", ""); kind != "text" {
			part.fail("type", "is %q; only text is supported", clip(kind))
		}
		if !part.given("text") {
			part.fail("text", "is required")
		}
		texts[i] = part.text("text", "")
		f.close(part)
	}
	return strings.Join(texts, "\n")
}

// parseConversation reads messages and the fields that say how to render them, and
// returns the prompt's text, and whether special tokens go around it. anyRole: see
// parseMessages.
func (ps *parser) parseConversation(f *fields, anyRole bool) (text string, special bool) {
	messages := parseMessages(f, anyRole)
	resume := f.boolean("continue_final_message", false)
	generate := f.boolean("add_generation_prompt", !resume)
	special = f.boolean("add_special_tokens", false)
	kwargs := parseKwargs(f)
	if resume && generate {
		f.fail("continue_final_message", "cannot be used with add_generation_prompt")
	}
	switch {
	case f.err == nil && !ps.hasText:
		f.fail("messages", "cannot be used: this checkpoint has no tokenizer.json; /v1/completions takes token ids")
	case f.err == nil && ps.chat == nil:
		f.fail("messages", "cannot be used: this checkpoint has no chat template; use /v1/completions")
	}
	if f.err != nil {
		return "", false
	}
	text, err := ps.render(messages, generate, resume, kwargs)
	if err != nil {
		f.fail("messages", "cannot be rendered: %s", strings.TrimSuffix(err.Error(), "."))
		return "", false
	}
	if !anyRole && ps.cannotFit(text) {
		f.err = ps.tooLong("messages", fmt.Sprintf("The messages have %d bytes, which is more however they are cut into tokens", len(text)))
		return "", false
	}
	return text, special
}

// render makes the conversation's text: up to where the answer begins, or goes on with
// the last message.
func (ps *parser) render(messages []Message, generate, resume bool, kwargs map[string]any) (string, error) {
	if resume && len(messages) > 0 {
		return ps.renderToResume(messages, kwargs)
	}
	return ps.chat.Render(messages, generate, kwargs)
}

func parseKwargs(f *fields) map[string]any {
	raw, ok := f.take("chat_template_kwargs")
	switch {
	case !ok:
		return nil
	case len(raw) > maxKwargs:
		f.fail("chat_template_kwargs", "has %d bytes, more than the %d allowed", len(raw), maxKwargs)
		return nil
	}
	var kwargs map[string]any
	if raw[0] != '{' || json.Unmarshal(raw, &kwargs) != nil {
		f.fail("chat_template_kwargs", "must be an object")
	}
	for _, name := range []string{"messages", "add_generation_prompt", "continue_final_message"} {
		if _, given := kwargs[name]; given {
			f.fail("chat_template_kwargs", "must not hold %s: it is a field of the request itself", name)
		}
	}
	return kwargs
}
