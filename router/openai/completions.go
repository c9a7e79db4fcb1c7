package openai

import (
	"context"
	"net/http"
)

// defaultMaxTokens of a completion, as OpenAI documents it.
const defaultMaxTokens = 16

// serveCompletions answers POST /v1/completions.
func (s *Server) serveCompletions(w http.ResponseWriter, r *http.Request) error {
	var p *params
	var prompts []prompt
	err := s.withBody(w, r, func(f *fields) (err error) {
		p, prompts, err = s.parser.parseCompletion(r.Context(), f)
		return err
	})
	if err != nil {
		return err
	}
	return s.generate(w, r, p, prompts, completionFormat{s.names, p})
}

// parseCompletion reads a request of /v1/completions, and fits it to the context.
func (ps *parser) parseCompletion(ctx context.Context, f *fields) (*params, []prompt, error) {
	p := ps.parseParams(f)
	p.promptParam = "prompt"
	if f.err != nil {
		return nil, nil, f.err // before work is done for the prompt
	}
	p.echo = f.boolean("echo", false)
	p.Logprobs = int(f.integer("logprobs", -1, 0, maxLogprobs))
	if p.echo {
		p.PromptLogprobs = p.Logprobs
	}
	p.parseMaxTokens(f, 0)
	special := f.boolean("add_special_tokens", true)
	prompts := ps.parsePrompts(ctx, f, special)
	refuseUnsupported(f)
	ps.fit(f, &p, prompts, defaultMaxTokens)
	return &p, prompts, f.end()
}

type completionChoice struct {
	Index    int                 `json:"index"`
	Text     string              `json:"text"`
	Logprobs *completionLogprobs `json:"logprobs"`
	ending
	TokenIDs       []int32 `json:"token_ids,omitempty"`
	PromptTokenIDs []int32 `json:"prompt_token_ids,omitempty"`
}

// completionFormat writes text_completion objects; streamed events have the
// same shape.
type completionFormat struct {
	names tokenNames
	p     *params
}

func (c completionFormat) full(q *sequence, d delta) any { return c.chunk(q, d, true) }
func (c completionFormat) opening(*sequence) any         { return nil }
func (c completionFormat) object() (string, string)      { return "text_completion", "text_completion" }
func (c completionFormat) idPrefix() string              { return "cmpl-" }
func (c completionFormat) promptIDs() []int32            { return nil }

func (c completionFormat) chunk(q *sequence, d delta, first bool) any {
	out := completionChoice{Index: q.index, Text: d.text, ending: endingOf(d)}
	if c.p.Logprobs >= 0 {
		out.Logprobs = c.names.forCompletion(d.tokens)
	}
	if c.p.returnIDs {
		out.TokenIDs = generatedIDs(d.tokens)
		if first {
			out.PromptTokenIDs = q.prompt.ids
		}
	}
	return out
}
