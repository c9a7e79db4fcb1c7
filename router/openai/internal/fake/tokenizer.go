// Package fake is a model-free engine.Generator with a tokenizer and a chat
// template: small, deterministic and fast, for tests of the HTTP API. Its
// sampling is the real one.
package fake

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
)

// The vocabulary: ids 0 to 255 are single bytes, then words, then the end of
// sequence (special), then ids without a token.
const (
	FirstWord = 256
	EOS       = 300
	Vocab     = 320
)

var words = []string{" the", " and", "stop", "END", "ab", "abc", "é", "日"}

// Tokenizer encodes greedily by the longest word, else by bytes.
type Tokenizer struct{}

// Encode implements openai.Tokenizer.
func (Tokenizer) Encode(text string) []int32 {
	var ids []int32
	for len(text) > 0 {
		id, n := int32(text[0]), 1
		for i, w := range words {
			if strings.HasPrefix(text, w) && len(w) > n {
				id, n = int32(FirstWord+i), len(w)
			}
		}
		if strings.HasPrefix(text, "<eos>") {
			id, n = EOS, len("<eos>")
		}
		ids, text = append(ids, id), text[n:]
	}
	return ids
}

// EncodeSpecial adds nothing, like OLMo's tokenizer.
func (t Tokenizer) EncodeSpecial(text string) []int32 { return t.Encode(text) }

// TokenBytes implements openai.Tokenizer.
func (Tokenizer) TokenBytes(id int32) []byte {
	switch {
	case id >= 0 && id < FirstWord:
		return []byte{byte(id)}
	case id >= FirstWord && int(id) < FirstWord+len(words):
		return []byte(words[id-FirstWord])
	case id == EOS:
		return []byte("<eos>")
	}
	return nil
}

// TokenString spells bytes that are no characters in hex.
func (t Tokenizer) TokenString(id int32) string {
	b := t.TokenBytes(id)
	if utf8.Valid(b) {
		return string(b)
	}
	return fmt.Sprintf("<0x%02X>", b[0])
}

// Decode implements openai.Tokenizer.
func (t Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var b []byte
	for _, id := range ids {
		if id != EOS || !skipSpecial {
			b = append(b, t.TokenBytes(id)...)
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// NewDecoder implements openai.Tokenizer.
func (t Tokenizer) NewDecoder(skipSpecial bool) openai.Decoder {
	return &decoder{t: t, skip: skipSpecial}
}

type decoder struct {
	t    Tokenizer
	skip bool
	held []byte // the beginning of a character
}

func (d *decoder) Push(id int32) string {
	if id == EOS && d.skip {
		return ""
	}
	d.held = append(d.held, d.t.TokenBytes(id)...)
	sure := len(d.held)
	for n := 1; n < utf8.UTFMax && n <= len(d.held); n++ {
		if tail := d.held[len(d.held)-n:]; utf8.RuneStart(tail[0]) && !utf8.FullRune(tail) {
			sure = len(d.held) - n
		}
	}
	out := strings.ToValidUTF8(string(d.held[:sure]), "\uFFFD")
	d.held = append([]byte(nil), d.held[sure:]...)
	return out
}

func (d *decoder) Breaks(id int32) bool {
	b := d.t.TokenBytes(id)
	if len(d.held) == 0 || len(b) == 0 || id == EOS && d.skip {
		return false
	}
	next := string(d.held) + string(b[:1])
	return utf8.FullRuneInString(next) && !utf8.ValidString(next)
}

func (d *decoder) Flush() string {
	out := strings.ToValidUTF8(string(d.held), "\uFFFD")
	d.held = nil
	return out
}

// Chat renders <role>content</role> for each message.
type Chat struct{}

// Render implements openai.Chat. kwargs["prefix"] comes first; the message
// "unrenderable" is an error, as a template may raise one.
func (Chat) Render(messages []openai.Message, generate bool, kwargs map[string]any) (string, error) {
	var b strings.Builder
	if p, ok := kwargs["prefix"].(string); ok {
		b.WriteString(p)
	}
	for _, m := range messages {
		if m.Content == "unrenderable" {
			return "", fmt.Errorf("raised by the template")
		}
		fmt.Fprintf(&b, "<%s>%s</%s>\n", m.Role, m.Content, m.Role)
	}
	if generate {
		b.WriteString("<assistant>")
	}
	return b.String(), nil
}
