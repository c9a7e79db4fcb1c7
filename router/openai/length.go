package openai

import "math"

// fit settles how many tokens each prompt may generate: what the client asked
// for, which must fit, or def (0 = all that fits).
func (s *Server) fit(f *fields, p *params, prompts []prompt, def int) {
	if len(prompts)*p.n > s.MaxSequences {
		f.fail("n", "times the number of prompts is %d, more than the %d sequences a request may have", len(prompts)*p.n, s.MaxSequences)
	}
	for i, pr := range prompts {
		s.fitOne(f, p, len(pr.ids), nth(i, len(prompts)))
	}
	if f.err != nil {
		return
	}
	if !p.maxTokensGiven {
		p.MaxTokens = def
		if def == 0 {
			p.MaxTokens = s.Context // each sequence ends where the context does
		}
	}
	if p.MinTokens > p.MaxTokens {
		f.fail("min_tokens", "is %d, more than the %d tokens that may be generated", p.MinTokens, p.MaxTokens)
	}
}

func (s *Server) fitOne(f *fields, p *params, n int, which string) {
	switch {
	case f.err != nil:
	case n > s.Context || n == s.Context && !(p.maxTokensGiven && p.MaxTokens == 0):
		f.err = badRequest("prompt", "This model's context length is %d tokens, prompt and answer together. The prompt %shas %d tokens.",
			s.Context, which, n).withCode("context_length_exceeded")
	case p.maxTokensGiven && n+p.MaxTokens > s.Context:
		f.err = badRequest(p.maxTokensParam, "This model's context length is %d tokens. The prompt %shas %d tokens, and %d are asked for as %s.",
			s.Context, which, n, p.MaxTokens, p.maxTokensParam).withCode("context_length_exceeded")
	}
}

// parseMaxTokens reads the bound from the first of names that is given; two of
// them must agree.
func (p *params) parseMaxTokens(f *fields, least int64, names ...string) {
	for _, name := range names {
		raw, given := f.raw[name]
		v := f.integer(name, 0, least, math.MaxInt32)
		if !given || string(raw) == "null" {
			continue
		}
		if p.maxTokensGiven && int(v) != p.MaxTokens {
			f.fail(name, "differs from %s; give one of them", p.maxTokensParam)
		}
		p.maxTokensGiven, p.MaxTokens, p.maxTokensParam = true, int(v), name
	}
}
