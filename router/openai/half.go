package openai

import (
	"strings"
	"unicode/utf8"

	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
)

// A prompt of token ids may end within a character: a client goes on where max_tokens
// ended a former answer. If the answer completes the character it is the answer's, else
// what there is of it stays the prompt's.

// replacement stands in a text for a character that is not complete.
const replacement = string(utf8.RuneError)

// half is the incomplete character that a prompt ends in, "" if none, and the last
// tokens, which it is of. A text has none.
func (p *prompt) half(t Tokenizer) (half string, last []int32) {
	if p.text != "" {
		return "", nil
	}
	from, n := len(p.ids), 0
	for ; from > 0 && n < utf8.UTFMax-1; from-- {
		n += len(t.TokenBytes(p.ids[from-1]))
	}
	var end []byte
	for _, id := range p.ids[from:] {
		end = append(end, t.TokenBytes(id)...)
	}
	return string(end[len(end)-tokenizer.IncompleteTail(end):]), p.ids[from:]
}

// prime makes the decoder go on within the prompt's last character.
func (q *sequence) prime(t Tokenizer) {
	half, last := q.prompt.half(t)
	if q.half = half; half == "" {
		return
	}
	for _, id := range last {
		q.decoder.Push(id)
	}
}

// settle takes the answer's first text and returns what of it is the answer's. A half
// character that it does not complete comes before that where the prompt is echoed. U+FFFD
// begins with EF BF itself, and stands for what is not completed.
func (q *sequence) settle(d *delta, text string) string {
	half := q.half
	q.half = ""
	if strings.HasPrefix(text, half) && !strings.HasPrefix(text, replacement) {
		return text
	}
	if q.p.echo {
		d.text = replacement
		q.chars++
	}
	for i := range d.tokens {
		d.tokens[i].offset = q.chars
	}
	return strings.TrimPrefix(text, replacement)
}
