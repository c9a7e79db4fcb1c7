package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// prompt is one prompt of a request. text is "" if it came as ids.
type prompt struct {
	ids  []int32
	text string
}

// parsePrompts reads the four forms of "prompt": a string, a list of strings, a
// list of token ids, a list of lists of token ids.
func (ps *parser) parsePrompts(ctx context.Context, f *fields, special bool) []prompt {
	raw, ok := f.take("prompt")
	if !ok {
		f.fail("prompt", "is required")
		return nil
	}
	prompts, err := ps.promptsOf(ctx, raw, special)
	var api *apiError
	switch {
	case errors.As(err, &api), errors.Is(err, errClientGone):
		f.err = err
	case err != nil:
		f.fail("prompt", "%v", err)
	}
	for i, p := range prompts {
		if len(p.ids) == 0 {
			f.fail("prompt", "%sis empty: at least one token is needed", nth(i, len(prompts)))
		}
	}
	return prompts
}

// nth names prompt i of n in a message; one alone needs no name.
func nth(i, n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf("number %d ", i)
}

// promptsOf reads any of the forms. An error is a client's already (apiError,
// errClientGone), or says what is wrong with "prompt".
func (ps *parser) promptsOf(ctx context.Context, raw json.RawMessage, special bool) ([]prompt, error) {
	switch kind := promptKind(raw); kind {
	case '"':
		return ps.textPrompts(ctx, raw, special)
	case '0':
		ids, err := ps.idList(raw)
		return []prompt{{ids: ids}}, err
	case '[':
		return ps.nestedPrompts(raw)
	case ']':
		return nil, fmt.Errorf("is an empty list")
	}
	return nil, fmt.Errorf("must be a string, a list of strings, a list of token ids or a list of lists of token ids")
}

// promptKind tells the forms apart: '"' strings, '0' ids, '[' lists of ids, ']'
// an empty list, 0 none of them. A list is judged by its first element; the
// readers refuse others of another kind.
func promptKind(raw json.RawMessage) byte {
	c := raw[0]
	if c == '[' {
		c = bytes.TrimSpace(raw[1:])[0]
	} else if c != '"' {
		return 0
	}
	switch {
	case c == '-' || c >= '0' && c <= '9':
		return '0'
	case c == '"' || c == '[' || c == ']':
		return c
	}
	return 0
}

// textPrompts reads a string or a list of strings.
func (ps *parser) textPrompts(ctx context.Context, raw json.RawMessage, special bool) ([]prompt, error) {
	if n := elements(raw); n > ps.maxChoices {
		return nil, ps.tooMany(n)
	}
	texts, err := stringList(raw)
	if err != nil {
		return nil, fmt.Errorf("must hold strings only, or token ids only")
	}
	if !ps.hasText {
		return nil, fmt.Errorf("must be token ids: this checkpoint has no tokenizer.json")
	}
	for i, t := range texts {
		if ps.cannotFit(t) {
			return nil, ps.tooLong("prompt", fmt.Sprintf("The prompt %shas %d bytes, which is more however they are cut into tokens", nth(i, len(texts)), len(t)))
		}
	}
	return ps.tokenize(ctx, special, texts...)
}

// nestedPrompts reads a list of lists of token ids.
func (ps *parser) nestedPrompts(raw json.RawMessage) ([]prompt, error) {
	if n := elements(raw); n > ps.maxChoices {
		return nil, ps.tooMany(n)
	}
	var lists []json.RawMessage
	if err := json.Unmarshal(raw, &lists); err != nil {
		return nil, err
	}
	prompts := make([]prompt, len(lists))
	for i, l := range lists {
		var err error
		if prompts[i].ids, err = ps.idList(l); err != nil {
			return nil, fmt.Errorf("number %d %w", i, err)
		}
	}
	return prompts, nil
}

func (ps *parser) tooMany(n int) error {
	return fmt.Errorf("has %d prompts, more than the %d sequences a request may have", n, ps.maxChoices)
}
