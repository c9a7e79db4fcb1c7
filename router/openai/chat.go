package openai

import (
	"context"
	"net/http"
)

// serveChat answers POST /v1/chat/completions.
func (s *Server) serveChat(w http.ResponseWriter, r *http.Request) error {
	var p *params
	var pr prompt
	err := s.withBody(w, r, func(f *fields) (err error) {
		p, pr, err = s.parser.parseChat(r.Context(), f)
		return err
	})
	if err != nil {
		return err
	}
	return s.generate(w, r, p, []prompt{pr}, chatFormat{s.names, p, pr.ids})
}

// parseChat reads a request of /v1/chat/completions, and fits it to the context.
func (ps *parser) parseChat(ctx context.Context, f *fields) (*params, prompt, error) {
	p := ps.parseParams(f)
	p.promptParam = "messages"
	if f.err != nil {
		return nil, prompt{}, f.err // before work is done for the messages
	}
	p.parseChatLogprobs(f)
	p.parseMaxTokens(f, 1)
	if f.boolean("echo", false) {
		f.fail("echo", "is not supported for chat; use continue_final_message to go on with a message")
	}
	text, special := ps.parseConversation(f, false)
	pr := ps.tokenizeOne(ctx, f, special, text)
	if f.err == nil && len(pr.ids) == 0 {
		f.fail("messages", "make an empty prompt: this checkpoint's chat template writes nothing for them")
	}
	refuseUnsupported(f)
	ps.fit(f, &p, []prompt{pr}, 0)
	return &p, pr, f.end()
}

func (p *params) parseChatLogprobs(f *fields) {
	want := f.boolean("logprobs", false)
	top := int(f.integer("top_logprobs", 0, 0, maxLogprobs))
	switch {
	case want:
		p.Logprobs = top
	case top > 0:
		f.fail("top_logprobs", "is only allowed with logprobs set to true")
	}
}

type chatMessage struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"`
}

type chatChoice struct {
	Index    int           `json:"index"`
	Message  chatMessage   `json:"message"`
	Logprobs *chatLogprobs `json:"logprobs"`
	ending
	TokenIDs []int32 `json:"token_ids,omitempty"`
}

type chatDelta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type chatChunk struct {
	Index    int           `json:"index"`
	Delta    chatDelta     `json:"delta"`
	Logprobs *chatLogprobs `json:"logprobs"`
	ending
	TokenIDs []int32 `json:"token_ids,omitempty"`
}

// chatFormat writes chat.completion objects and chat.completion.chunk events.
type chatFormat struct {
	names  tokenNames
	p      *params
	prompt []int32
}

func (c chatFormat) object() (string, string) { return "chat.completion", "chat.completion.chunk" }
func (c chatFormat) idPrefix() string         { return "chatcmpl-" }

func (c chatFormat) promptIDs() []int32 {
	if c.p.returnIDs {
		return c.prompt
	}
	return nil
}

func (c chatFormat) full(q *sequence, d delta) any {
	logprobs, ids := c.extras(d)
	return chatChoice{Index: q.index, Message: chatMessage{Role: "assistant", Content: d.text},
		Logprobs: logprobs, ending: endingOf(d), TokenIDs: ids}
}

// opening names the role, once a choice, before any of its content.
func (c chatFormat) opening(q *sequence) any {
	empty := ""
	return chatChunk{Index: q.index, Delta: chatDelta{Role: "assistant", Content: &empty}}
}

func (c chatFormat) chunk(q *sequence, d delta, _ bool) any {
	out := chatChunk{Index: q.index, ending: endingOf(d)}
	if d.text != "" || d.finish == "" {
		out.Delta.Content = &d.text
	}
	out.Logprobs, out.TokenIDs = c.extras(d)
	return out
}

func (c chatFormat) extras(d delta) (logprobs *chatLogprobs, tokenIDs []int32) {
	if c.p.Logprobs >= 0 {
		logprobs = c.names.forChat(d.tokens)
	}
	if c.p.returnIDs {
		tokenIDs = generatedIDs(d.tokens)
	}
	return logprobs, tokenIDs
}
