package tokenizer

import "unicode/utf8"

// Decode is the text of ids: the bytes of all tokens, one after another, with
// one U+FFFD for each maximal part that is not UTF-8. Ids without a token are
// dropped, and with skipSpecial the special tokens too.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var b []byte
	for _, id := range ids {
		if !skipSpecial || !t.IsSpecial(id) {
			b = append(b, t.TokenBytes(id)...)
		}
	}
	return ValidUTF8(string(b))
}

// Decoder decodes a stream, token by token. What Push and Flush return, joined,
// equals Decode of all ids: a code point that is not complete is held back.
// One stream, one goroutine.
type Decoder struct {
	t           *Tokenizer
	skipSpecial bool
	held        []byte // invariant: a proper prefix of one code point (0..3 bytes)
}

// NewDecoder starts a stream.
func (t *Tokenizer) NewDecoder(skipSpecial bool) *Decoder {
	return &Decoder{t: t, skipSpecial: skipSpecial}
}

// Push adds a token and returns the text that is now certain, often "".
func (d *Decoder) Push(id int32) string {
	if d.skipSpecial && d.t.IsSpecial(id) {
		return ""
	}
	d.held = append(d.held, d.t.TokenBytes(id)...)
	sure := len(d.held) - IncompleteTail(d.held)
	text := ValidUTF8(string(d.held[:sure]))
	d.held = append(d.held[:0], d.held[sure:]...)
	return text
}

// Breaks reports whether a token leaves the code point that is held back incomplete, so that
// the text of its Push begins with a U+FFFD that is not the token's.
func (d *Decoder) Breaks(id int32) bool {
	b := d.t.TokenBytes(id)
	if len(d.held) == 0 || len(b) == 0 || d.skipSpecial && d.t.IsSpecial(id) {
		return false
	}
	next := append(d.held, b[0]) //nolint:gocritic // held stays as it is
	return utf8.FullRune(next) && !utf8.Valid(next)
}

// Flush ends the stream: an incomplete code point becomes U+FFFD.
func (d *Decoder) Flush() string {
	text := ValidUTF8(string(d.held))
	d.held = d.held[:0]
	return text
}
