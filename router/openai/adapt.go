package openai

import "github.com/olmoe-serving/olmoe-operator/internal/tokenizer"

// FromTokenizer adapts a tokenizer.Tokenizer.
func FromTokenizer(t *tokenizer.Tokenizer) Tokenizer { return ours{t} }

type ours struct{ *tokenizer.Tokenizer }

func (o ours) NewDecoder(skipSpecial bool) Decoder { return o.Tokenizer.NewDecoder(skipSpecial) }

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
func (noTokenizer) Flush() string                { return "" }
