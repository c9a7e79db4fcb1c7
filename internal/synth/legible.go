package synth

import "strings"

// A random model says every token about as often. Shorter rows in the output
// matrix make smaller logits, so their tokens are said less: a word of the
// corpus is left as it is, a piece of a word has 60 % of its length, everything
// else (control characters, parts of characters, runs of blanks) nearly nothing.
const (
	pieceLength = 0.6
	otherLength = 0.1
)

// legibleRows is the factor of each row of an output matrix.
func legibleRows(b *bpe, vocab int) []float64 {
	whole := map[string]bool{}
	for _, w := range words(corpus) {
		whole[strings.Join(w.parts, "")] = true
	}
	rows := make([]float64, vocab)
	for i := range rows {
		rows[i] = otherLength
	}
	for i, s := range b.tokens {
		switch {
		case whole[s]:
			rows[leadingTokens+i] = 1
		case letters(strings.ToLower(strings.TrimPrefix(s, "Ġ"))):
			rows[leadingTokens+i] = pieceLength
		}
	}
	return rows
}
