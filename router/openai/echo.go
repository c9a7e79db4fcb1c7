package openai

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// echoed is the prompt as a delta: the client's own text (of ids, their text), and its
// tokens with the probabilities that came with the first event (none if they were not
// asked for).
func (q *sequence) echoed(t Tokenizer, scores []engine.PromptLogprob) delta {
	e := newEcho(t, q.prompt, q.half != "")
	d := delta{text: e.text}
	for i, id := range q.prompt.ids {
		tok := token{offset: e.next(i, id), echoed: true, first: i == 0}
		if i < len(scores) {
			tok.TokenLogprob, tok.top = scores[i].Token, scores[i].Top
		}
		tok.ID = id
		d.tokens = append(d.tokens, tok)
	}
	q.chars = utf8.RuneCountInString(e.text)
	return d
}

// echo finds where in a prompt's text its tokens begin. They can say something else
// than the text: the tokenizer reads it in NFC, and adds special tokens around it.
type echo struct {
	text     string
	from, to int // the tokens that are of the text
	decoder  Decoder
	decoded  int   // characters so far
	places   []int // of each decoded character in text, and of the end
}

// half: the prompt ends within a character, which is left for the answer to complete.
func newEcho(t Tokenizer, p *prompt, half bool) *echo {
	own := p.ids
	decoded := t.Decode(own, false)
	if half {
		decoded = strings.TrimSuffix(decoded, replacement)
	}
	e := &echo{text: p.text, to: len(own), decoder: t.NewDecoder(false)}
	switch {
	case p.text == "":
		e.text = decoded
	case p.text != decoded:
		own = t.Encode(p.text)
		e.from = max(0, find(p.ids, own))
		e.to = e.from + len(own)
		decoded = t.Decode(own, false)
	}
	e.places = places(decoded, e.text)
	return e
}

// find is where part begins in ids, -1 if nowhere.
func find(ids, part []int32) int {
	for i := range len(ids) - len(part) + 1 {
		if slices.Equal(ids[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

// next is where the text of token i begins, in characters.
func (e *echo) next(i int, id int32) int {
	switch {
	case i < e.from:
		return 0
	case i >= e.to:
		return e.places[len(e.places)-1]
	}
	at := e.decoded
	if e.decoder.Breaks(id) {
		at++
	}
	place := e.places[min(at, len(e.places)-1)]
	e.decoded += utf8.RuneCountInString(e.decoder.Push(id))
	return place
}

// places says for each character of decoded, and for its end, where in text it stands.
// decoded may be text in NFC: what stands between two boundaries of it can have other
// characters then, the boundaries are as many.
func places(decoded, text string) []int {
	starts := boundaries(text)
	chars := utf8.RuneCountInString(text)
	list, segment, at := make([]int, 0, len(decoded)+1), -1, 0
	for i := range decoded {
		if at++; segment < 0 || boundary(decoded[i:]) {
			segment, at = segment+1, 0
		}
		list = append(list, min(starts[min(segment, len(starts)-1)]+at, starts[min(segment+1, len(starts)-1)]))
	}
	return append(list, chars)
}

// boundaries are the places of a text's boundaries, in characters, the end among them.
func boundaries(text string) (list []int) {
	chars := 0
	for i := range text {
		if chars == 0 || boundary(text[i:]) {
			list = append(list, chars)
		}
		chars++
	}
	return append(list, chars)
}

// boundary says that what s begins with stays apart from what comes before it.
func boundary(s string) bool {
	return s[0] < utf8.RuneSelf || norm.NFC.PropertiesString(s).BoundaryBefore()
}
