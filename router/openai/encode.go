package openai

import "context"

// shortText is more than a prompt as long as the context has as a rule (8 bytes a token
// of 4096); the worst text of so many bytes takes some 40 ms.
const shortText = 32 << 10

// tokenize makes prompts of a request's texts. All of them go through here, few at once:
// the worst text of a whole body takes seconds of a CPU that every stream's steps need.
// Short texts never wait behind long ones, and nobody behind a client that reads or sends.
func (ps *parser) tokenize(ctx context.Context, special bool, texts ...string) ([]prompt, error) {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	turns := ps.short
	if size > shortText {
		turns = ps.long
	}
	leave, err := turns.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	prompts := make([]prompt, len(texts))
	for i, t := range texts {
		prompts[i] = prompt{ids: ps.encode(t, special), text: t}
	}
	return prompts, nil
}

func (ps *parser) encode(text string, special bool) []int32 {
	if special {
		return ps.tokenizer.EncodeSpecial(text)
	}
	return ps.tokenizer.Encode(text)
}

// tokenizeOne is tokenize of the one text that f asks for: an error becomes f's. After
// one that f has there is nothing to do.
func (ps *parser) tokenizeOne(ctx context.Context, f *fields, special bool, text string) prompt {
	if f.err != nil {
		return prompt{}
	}
	prompts, err := ps.tokenize(ctx, special, text)
	if err != nil {
		f.err = err
		return prompt{}
	}
	return prompts[0]
}
