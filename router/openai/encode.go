package openai

import "context"

// shortText is more than a prompt as long as the context has as a rule (8 bytes a token
// of 4096); the worst text of so many bytes takes some 40 ms.
const shortText = 32 << 10

// cut makes tokens of a request's texts. All that does goes through here, and few at once:
// the worst text of a whole body takes seconds of a CPU that every stream's steps need.
// Short texts never wait behind long ones, and nobody behind a client that reads or sends.
func (ps *parser) cut(ctx context.Context, special bool, texts ...string) ([]prompt, error) {
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

// cutInto is cut of one text for a parser: an error becomes f's. After one that f has
// there is nothing to cut.
func (ps *parser) cutInto(ctx context.Context, f *fields, special bool, text string) prompt {
	if f.err != nil {
		return prompt{}
	}
	prompts, err := ps.cut(ctx, special, text)
	if err != nil {
		f.err = err
		return prompt{}
	}
	return prompts[0]
}
