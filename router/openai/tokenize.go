package openai

import (
	"context"
	"net/http"
)

type tokenizeAnswer struct {
	Count        int      `json:"count"`
	MaxModelLen  int      `json:"max_model_len"`
	Tokens       []int32  `json:"tokens"`
	TokenStrings []string `json:"token_strs"` // null unless return_token_strs
}

// textRequest reads a request and waits for one of the few places of those that cost
// more memory than their bodies. A place is held until the answer is written, for that
// memory is too, and a write has its time (see recorder).
func (s *Server) textRequest(w http.ResponseWriter, r *http.Request) (f *fields, leave func(), err error) {
	if f, err = s.readBody(w, r); err != nil {
		return nil, nil, err
	}
	if leave, err = s.enter(r.Context(), s.texts); err != nil {
		return nil, nil, err
	}
	s.parseModel(f)
	return f, leave, nil
}

// tokenize serves POST /tokenize: of a prompt, or of messages as the chat
// template renders them (vLLM's two request shapes).
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) error {
	f, leave, err := s.textRequest(w, r)
	if err != nil {
		return err
	}
	defer leave()
	spell := f.boolean("return_token_strs", false)
	ids := s.parseTokenize(r.Context(), f)
	refuseUnsupported(f)
	if err := f.end(); err != nil {
		return err
	}
	answer := tokenizeAnswer{Count: len(ids), MaxModelLen: s.Context, Tokens: ids}
	if ids == nil {
		answer.Tokens = []int32{} // not null
	}
	if spell {
		answer.TokenStrings = make([]string, len(ids))
		for i, id := range ids {
			answer.TokenStrings[i] = s.Tokenizer.TokenString(id)
		}
	}
	return writeJSON(w, http.StatusOK, answer)
}

func (s *Server) parseTokenize(ctx context.Context, f *fields) []int32 {
	messages, text := f.given("messages"), f.given("prompt")
	switch {
	case messages && text:
		f.fail("messages", "cannot be used with prompt: give one of them")
	case messages:
		text, special := s.parseConversation(f, true)
		return s.cutInto(ctx, f, special, text).ids
	case text:
		text, special := s.parseText(f)
		return s.cutInto(ctx, f, special, text).ids
	default:
		f.fail("prompt", "is required (or messages)")
	}
	return nil
}

func (s *Server) parseText(f *fields) (text string, special bool) {
	special = f.boolean("add_special_tokens", true)
	text = f.text("prompt", "")
	if !s.hasText {
		f.fail("prompt", "cannot be tokenized: this checkpoint has no tokenizer.json")
	}
	return text, special
}

// detokenize serves POST /detokenize.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) error {
	f, leave, err := s.textRequest(w, r)
	if err != nil {
		return err
	}
	defer leave()
	raw, ok := f.take("tokens")
	if !ok {
		f.fail("tokens", "is required")
	}
	if !s.hasText {
		f.fail("tokens", "cannot be decoded: this checkpoint has no tokenizer.json")
	}
	if err := f.end(); err != nil {
		return err
	}
	ids, err := s.idList(raw)
	if err != nil {
		f.fail("tokens", "%v", err)
		return f.err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"prompt": s.Tokenizer.Decode(ids, false)})
}
