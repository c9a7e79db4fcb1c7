package openai

import (
	"context"
	"time"
)

// shortText is more than a prompt as long as the context has as a rule (8 bytes a token
// of 4096); the worst text of so many bytes takes some 40 ms.
const shortText = 32 << 10

// cut makes tokens of a request's texts. All that does goes through here, and few at once:
// the worst text of a whole body takes seconds of a CPU that every stream's steps need.
// Short texts never wait behind long ones, and nobody behind a client that reads or sends.
func (s *Server) cut(ctx context.Context, special bool, texts ...string) ([]prompt, error) {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	places := s.short
	if size > shortText {
		places = s.long
	}
	leave, err := s.enter(ctx, places)
	if err != nil {
		return nil, err
	}
	defer leave()
	prompts := make([]prompt, len(texts))
	for i, t := range texts {
		prompts[i] = prompt{ids: s.encode(t, special), text: t}
	}
	return prompts, nil
}

func (s *Server) encode(text string, special bool) []int32 {
	if special {
		return s.Tokenizer.EncodeSpecial(text)
	}
	return s.Tokenizer.Encode(text)
}

// cutInto is cut of one text for a parser: an error becomes f's. After one that f has
// there is nothing to cut.
func (s *Server) cutInto(ctx context.Context, f *fields, special bool, text string) prompt {
	if f.err != nil {
		return prompt{}
	}
	prompts, err := s.cut(ctx, special, text)
	if err != nil {
		f.err = err
		return prompt{}
	}
	return prompts[0]
}

// enter waits for one of a few places. Who waits for long is sent away: it holds one of
// the places of all requests. A client that hangs up meanwhile is not worked for.
func (s *Server) enter(ctx context.Context, places chan struct{}) (leave func(), err error) {
	leave = func() { <-places }
	select {
	case places <- struct{}{}:
		return leave, nil
	default:
	}
	late := time.NewTimer(s.TurnTimeout)
	defer late.Stop()
	select {
	case places <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, errClientGone
	case <-late.C:
		return nil, overloaded("The server is working on as many texts as it can. Try again shortly.")
	}
}
