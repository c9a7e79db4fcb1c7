package openai

// parser makes what the engine takes of a request's JSON: checked and bounded fields, and
// texts as token ids. It knows the model's limits, and nothing of HTTP. One does it for all
// requests, whose texts take turns.
type parser struct {
	tokenizer Tokenizer
	hasText   bool // there is a tokenizer: else texts are refused
	chat      Chat // nil: chat requests are refused

	model      string
	context    int
	vocab      int
	longest    int // bytes that one token can stand for
	maxChoices int

	short turns // of requests with few bytes of text to be tokenized
	long  turns // of those with many
}

func newParser(o Options, hasText bool, longest int) *parser {
	return &parser{
		tokenizer: o.Tokenizer, hasText: hasText, chat: o.Chat,
		model: o.Model, context: o.Context, vocab: o.Vocab, longest: longest, maxChoices: o.MaxChoices,
		short: newTurns(o.MaxTokenize, o.TurnTimeout), long: newTurns(o.MaxTokenize, o.TurnTimeout),
	}
}
