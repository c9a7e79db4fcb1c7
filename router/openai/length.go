package openai

import (
	"fmt"
	"math"

	"golang.org/x/text/unicode/norm"
)

// fit settles how many tokens each prompt may generate: what the client asked
// for, which must fit, or def (0 = all that fits).
func (ps *parser) fit(f *fields, p *params, prompts []prompt, def int) {
	if len(prompts)*p.n > ps.maxChoices {
		f.fail("n", "times the number of prompts is %d, more than the %d sequences a request may have", len(prompts)*p.n, ps.maxChoices)
	}
	for i, pr := range prompts {
		ps.fitOne(f, p, len(pr.ids), nth(i, len(prompts)))
	}
	if f.err != nil {
		return
	}
	if !p.maxTokensGiven {
		p.MaxTokens = def
		if def == 0 {
			p.MaxTokens = ps.context // each sequence ends where the context does
		}
	}
	if p.MinTokens > p.MaxTokens {
		f.fail("min_tokens", "is %d, more than the %d tokens that may be generated", p.MinTokens, p.MaxTokens)
	}
	ps.fitScores(f, p, prompts)
}

// fitScores bounds the log-probabilities of a request: those of each token of each
// choice, and of the prompts that are echoed.
func (ps *parser) fitScores(f *fields, p *params, prompts []prompt) {
	if p.Logprobs < 0 {
		return
	}
	tokens := 0
	for _, pr := range prompts {
		tokens += min(p.MaxTokens, ps.context-len(pr.ids))
		if p.echo {
			tokens += len(pr.ids)
		}
	}
	if n := p.n * tokens * (p.Logprobs + 1); n > maxScores {
		f.fail("logprobs", "asks for up to %d log-probabilities (choices x tokens x (1 + the most likely)), more than the %d a request may have;"+
			" ask for fewer, or lower n or max_tokens", n, maxScores)
	}
}

// fitOne checks a prompt of n tokens: it must leave room for one more, or for as many as
// are asked for. which: see nth.
func (ps *parser) fitOne(f *fields, p *params, n int, which string) {
	switch {
	case f.err != nil:
	case n > ps.context || n == ps.context && !(p.maxTokensGiven && p.MaxTokens == 0):
		f.err = ps.tooLong(p.promptParam, fmt.Sprintf("The prompt %shas %d tokens", which, n))
	case p.maxTokensGiven && n+p.MaxTokens > ps.context:
		f.err = badRequest(p.maxTokensParam, "This model's context length is %d tokens. The prompt %shas %d tokens, and %d are asked for as %s.",
			ps.context, which, n, p.MaxTokens, p.maxTokensParam).withCode("context_length_exceeded")
	}
}

// tooLong is the error of what does not fit the context.
func (ps *parser) tooLong(param, problem string) error {
	return badRequest(param, "This model's context length is %d tokens, prompt and answer together. %s.", ps.context, problem).
		withCode("context_length_exceeded")
}

// composes is how much shorter NFC can make a text: three Hangul letters of
// three bytes become one of three.
const composes = 3

// cannotFit says whether a text is longer than the context whatever its tokens
// are, so that no time is spent on finding them.
func (ps *parser) cannotFit(text string) bool {
	longest := ps.longest * ps.context
	return len(text) > longest*composes || len(text) > longest && norm.NFC.IsNormalString(text)
}

// parseMaxTokens reads the bound. It has two names, OpenAI's newer one first; given both, they must
// agree.
func (p *params) parseMaxTokens(f *fields, least int64) {
	for _, name := range []string{"max_completion_tokens", "max_tokens"} {
		if !f.given(name) {
			continue
		}
		v := f.integer(name, 0, least, math.MaxInt32)
		if p.maxTokensGiven && int(v) != p.MaxTokens {
			f.fail(name, "differs from %s; give one of them", p.maxTokensParam)
		}
		p.maxTokensGiven, p.MaxTokens, p.maxTokensParam = true, int(v), name
	}
}
