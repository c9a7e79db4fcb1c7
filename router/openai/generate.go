package openai

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// jsonNull makes a member null where leaving it out would mean something else.
var jsonNull = json.RawMessage("null")

// format is the one difference between the two endpoints: how they write.
type format interface {
	// full is the choice's entry in an answer that is not streamed.
	full(q *sequence, d delta) any
	// opening is sent once before anything of a choice; nil = nothing.
	opening(q *sequence) any
	// chunk is the choice's entry in a streamed event; first = none was sent before.
	chunk(q *sequence, d delta, first bool) any
	// object names the answer and the streamed event.
	object() (full, chunk string)
	idPrefix() string
	// promptIDs go on top of the answer or the first event (chat); nil = nowhere.
	promptIDs() []int32
}

// generate answers one request, streamed or not. It has a place until the client has it
// all: the queue bounds who waits, and nothing else who has an answer and does not read.
func (s *Server) generate(w http.ResponseWriter, r *http.Request, p *params, prompts []prompt, f format) error {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		return overloaded("The server is answering as many requests as it can. Try again shortly.")
	}
	g, err := s.submit(r.Context(), p, prompts)
	if err != nil {
		return err
	}
	defer g.close()
	s.Metrics.prompt(prompts)
	object, chunk := f.object()
	env := envelope{ID: f.idPrefix() + newID(), Created: time.Now().Unix(), Model: s.Model, Fingerprint: s.Fingerprint}
	if p.stream {
		env.Object = chunk
		st := &streamer{s: s, p: p, f: f, env: env, g: g, out: newSSE(w), opened: make([]bool, len(g.seqs))}
		return st.run(r)
	}
	env.Object = object
	choices := make([]delta, len(g.seqs))
	err = g.run(r.Context(), s.KeepAlive, nil, func(q *sequence, d delta) (bool, error) {
		choices[q.index].add(d)
		return false, nil
	})
	if err != nil {
		return err
	}
	return answer(w, env, g, f, choices)
}

func answer(w http.ResponseWriter, env envelope, g *group, f format, choices []delta) error {
	list := make([]any, len(choices))
	for i, d := range choices {
		list[i] = choice{f: f, q: g.seqs[i], d: d}
	}
	env.Choices, env.Usage, env.PromptTokenIDs = list, g.usage(), f.promptIDs()
	return writeJSON(w, http.StatusOK, env)
}

// choice is made into its entry of the answer when its turn comes to be written: with
// log-probabilities that is many times as large as what it is made of.
type choice struct {
	f format
	q *sequence
	d delta
}

func (c choice) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := encodeJSON(&b, c.f.full(c.q, c.d))
	return b.Bytes(), err
}

// streamer writes the events of one streamed answer.
type streamer struct {
	s      *Server
	p      *params
	f      format
	env    envelope
	g      *group
	out    *sse
	opened []bool // by choice
	sent   bool   // an event of any choice has gone out
}

func (st *streamer) run(r *http.Request) error {
	err := st.g.run(r.Context(), st.s.KeepAlive, st.out.keepAlive, st.delta)
	if err != nil {
		return st.fail(r, err)
	}
	if st.p.includeUsage {
		env := st.env
		env.Choices, env.Usage = []any{}, st.g.usage()
		if err := st.out.send(env); err != nil {
			return err
		}
	}
	return st.out.done()
}

// delta sends what there is to show of d, and says whether there was something.
func (st *streamer) delta(q *sequence, d delta) (shown bool, err error) {
	first := !st.opened[q.index]
	if first {
		st.opened[q.index] = true
		if o := st.f.opening(q); o != nil {
			if err := st.event(o, q.generated); err != nil {
				return false, err
			}
			shown = true
		}
	}
	if d.text == "" && d.finish == "" && !st.p.returnIDs && st.p.Logprobs < 0 && !st.p.runningUsage {
		return shown, nil // held back, half a character, or a token without a text: nothing to show yet
	}
	return true, st.event(st.f.chunk(q, d, first), 0)
}

// event sends a choice's chunk. A running usage is of what the client has then: without
// the tokens that come after it.
func (st *streamer) event(choice any, unsent int) error {
	env := st.env
	env.Choices = []any{choice}
	if !st.sent {
		env.PromptTokenIDs, st.sent = st.f.promptIDs(), true
	}
	switch {
	case st.p.runningUsage:
		u := st.g.usage()
		u.CompletionTokens -= unsent
		u.TotalTokens -= unsent
		env.Usage = u
	case st.p.includeUsage:
		env.Usage = jsonNull
	}
	return st.out.send(env)
}

// fail ends a stream that has begun with an event that says why. There is no
// [DONE] after it: the answer is not complete.
func (st *streamer) fail(r *http.Request, err error) error {
	if !st.out.started || gone(r.Context(), err) {
		return err
	}
	api := toAPI(err)
	st.s.logFault(r, api, err)
	st.s.Metrics.broken(api)
	_ = st.out.send(errorBody{api})
	return nil
}
