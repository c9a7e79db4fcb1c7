package openai

import (
	"github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
)

// FromTokenizer adapts a tokenizer.Tokenizer.
func FromTokenizer(t *tokenizer.Tokenizer) Tokenizer { return ours{t} }

type ours struct{ *tokenizer.Tokenizer }

func (o ours) NewDecoder(skipSpecial bool) Decoder { return o.Tokenizer.NewDecoder(skipSpecial) }

// FromTemplate adapts a chat.Template.
func FromTemplate(t *chat.Template) Chat { return template{t} }

type template struct{ t *chat.Template }

func (a template) Render(messages []Message, generate bool, kwargs map[string]any) (string, error) {
	list := make([]chat.Message, len(messages))
	for i, m := range messages {
		list[i] = chat.Message{Role: m.Role, Content: m.Content}
		if m.Name != "" {
			list[i].Extra = map[string]any{"name": m.Name}
		}
	}
	return a.t.Render(list, generate, kwargs)
}

// noTokenizer serves a checkpoint without tokenizer.json: token ids go in and
// come out, every text is empty. The handlers refuse text before they use it.
type noTokenizer struct{}

func (noTokenizer) Encode(string) []int32        { return nil }
func (noTokenizer) EncodeSpecial(string) []int32 { return nil }
func (noTokenizer) Decode([]int32, bool) string  { return "" }
func (noTokenizer) NewDecoder(bool) Decoder      { return noTokenizer{} }
func (noTokenizer) TokenBytes(int32) []byte      { return nil }
func (noTokenizer) TokenString(int32) string     { return "" }
func (noTokenizer) Push(int32) string            { return "" }
func (noTokenizer) Breaks(int32) bool            { return false }
func (noTokenizer) Flush() string                { return "" }
