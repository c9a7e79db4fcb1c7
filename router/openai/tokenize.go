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

// textHandler answers a request in one of the few places of those that cost more memory
// than their bodies. A place is held until the answer is written, for that memory is too,
// and a write has its time (see recorder).
func (s *Server) textHandler(answer func(w http.ResponseWriter, r *http.Request, f *fields) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return s.withBody(w, r, func(f *fields) error {
			leave, err := s.texts.enter(r.Context())
			if err != nil {
				return err
			}
			defer leave()
			return answer(w, r, f)
		})
	}
}

// answerTokenize answers POST /tokenize: of a prompt, or of messages as the chat
// template renders them (vLLM's two request shapes).
func (s *Server) answerTokenize(w http.ResponseWriter, r *http.Request, f *fields) error {
	ids, spell, err := s.parser.parseTokenize(r.Context(), f)
	if err != nil {
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

// parseTokenize reads a request of /tokenize; spell: the tokens' spellings are wanted too.
func (ps *parser) parseTokenize(ctx context.Context, f *fields) (ids []int32, spell bool, err error) {
	ps.parseModel(f)
	spell = f.boolean("return_token_strs", false)
	text, special := ps.parseText(f)
	ids = ps.tokenizeOne(ctx, f, special, text).ids
	refuseUnsupported(f)
	return ids, spell, f.end()
}

// parseText reads the text of /tokenize, and whether special tokens go around it.
func (ps *parser) parseText(f *fields) (text string, special bool) {
	messages, prompt := f.given("messages"), f.given("prompt")
	switch {
	case messages && prompt:
		f.fail("messages", "cannot be used with prompt: give one of them")
	case messages:
		return ps.parseConversation(f, true)
	case !prompt:
		f.fail("prompt", "is required (or messages)")
	}
	special = f.boolean("add_special_tokens", true)
	text = f.text("prompt", "")
	if !ps.hasText {
		f.fail("prompt", "cannot be tokenized: this checkpoint has no tokenizer.json")
	}
	return text, special
}

// answerDetokenize answers POST /detokenize.
func (s *Server) answerDetokenize(w http.ResponseWriter, _ *http.Request, f *fields) error {
	ids, err := s.parser.parseDetokenize(f)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]string{"prompt": s.Tokenizer.Decode(ids, false)})
}

// parseDetokenize reads a request of /detokenize.
func (ps *parser) parseDetokenize(f *fields) ([]int32, error) {
	ps.parseModel(f)
	raw, ok := f.take("tokens")
	if !ok {
		f.fail("tokens", "is required")
	}
	if !ps.hasText {
		f.fail("tokens", "cannot be decoded: this checkpoint has no tokenizer.json")
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	ids, err := ps.idList(raw)
	if err != nil {
		f.fail("tokens", "%v", err)
	}
	return ids, f.err
}
