package openai

import (
	"unicode/utf8"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// token is one generated (or echoed) token and where its text begins.
type token struct {
	engine.TokenLogprob
	top    []engine.TokenLogprob
	offset int  // in characters, from the start of the choice's text
	echoed bool // of the prompt
	first  bool // the very first of an echoed prompt: it has no probability
}

// delta is what one event adds to a choice.
type delta struct {
	text   string
	tokens []token
	finish engine.FinishReason
	reason any // stop_reason: the stop string, the stop token's id, or nil
}

func (d *delta) add(e delta) {
	d.text += e.text
	d.tokens = append(d.tokens, e.tokens...)
	if e.finish != "" {
		d.finish, d.reason = e.finish, e.reason
	}
}

// sequence is the state of one choice while its events come in.
type sequence struct {
	index     int // of the choice, in the response
	p         *params
	prompt    *prompt
	decoder   Decoder
	half      string // of a character, at the prompt's end: not settled yet whose it is
	stops     stopMatcher
	chars     int // characters decoded so far
	generated int // tokens
	cached    int // prompt tokens not computed again
	started   bool
	done      bool
}

func newSequence(t Tokenizer, index int, p *params, pr *prompt) *sequence {
	q := &sequence{index: index, p: p, prompt: pr, decoder: t.NewDecoder(!p.keepSpecial),
		stops: stopMatcher{stops: p.stops, include: p.includeStop}}
	q.prime(t)
	return q
}

// push turns one event into what it adds to the choice.
func (q *sequence) push(ev engine.Event) delta {
	var d delta
	if ev.CachedTokens > 0 {
		q.cached = ev.CachedTokens
	}
	text := ""
	if ev.HasToken {
		q.generated++
		text = q.take(&d, ev)
	}
	if ev.Finish != engine.FinishNone {
		text += q.decoder.Flush()
		d.finish, d.reason = ev.Finish, q.stopReason(ev)
	}
	if q.half != "" && text != "" {
		text = q.settle(&d, text)
	}
	q.chars += utf8.RuneCountInString(text)
	q.match(&d, text)
	q.done = d.finish != ""
	return d
}

// take adds a token, and returns the text that is certain with it. What there is of a
// character that the token does not complete comes before it.
func (q *sequence) take(d *delta, ev engine.Event) (text string) {
	t := token{TokenLogprob: ev.Logprob, top: ev.Top, offset: q.chars}
	t.ID = ev.Token
	switch {
	case ev.Stopped && !q.p.includeStop: // the stop token is no part of the text, which ends before it
		text = q.decoder.Flush()
		t.offset += utf8.RuneCountInString(text)
	case q.decoder.Breaks(ev.Token):
		t.offset++
		fallthrough
	default:
		text = q.decoder.Push(ev.Token)
	}
	d.tokens = []token{t}
	return text
}

// match adds text, put through the stop strings. What the first min_tokens tokens
// say is not searched, as in vLLM.
func (q *sequence) match(d *delta, text string) {
	if q.generated <= q.p.MinTokens && q.p.MinTokens > 0 {
		d.text += text
		return
	}
	out, stop := q.stops.push(text)
	d.text += out
	switch {
	case stop != "":
		d.finish, d.reason = engine.FinishStop, stop
	case d.finish != "":
		d.text += q.stops.flush()
	}
}

// stopReason is the id of a stop token that the client asked for; nil for the
// model's own end of sequence.
func (q *sequence) stopReason(ev engine.Event) any {
	if !ev.Stopped {
		return nil
	}
	for _, id := range q.p.StopTokenIDs {
		if id == ev.StopToken {
			return id
		}
	}
	return nil
}
