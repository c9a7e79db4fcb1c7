package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longRun is the number of characters that may follow a starter before we stop
// using x/text: it keeps text "stream-safe" by inserting U+034F after 30
// nonstarters, and a character may decompose into up to 3 of them. The
// reference inserts nothing.
const longRun = 8

// nfc is Unicode Normalization Form C, exact for any text.
func nfc(s string) string {
	if norm.NFC.QuickSpanString(s) == len(s) {
		return s
	}
	if hasLongRun(s) {
		return composeAll(decomposeAll(s))
	}
	return norm.NFC.String(s)
}

func hasLongRun(s string) bool {
	n := 0
	for i, r := range s {
		n++
		if r < utf8.RuneSelf || norm.NFC.PropertiesString(s[i:]).BoundaryBefore() {
			n = 0
		}
		if n > longRun {
			return true
		}
	}
	return false
}

// mark is a character of decomposed text and its canonical combining class.
type mark struct {
	r  rune
	cc uint8
}

// decomposeAll is NFD: every character decomposed, then each run of nonstarters
// in the order of their classes (Unicode 3.11, D108-D109).
func decomposeAll(s string) []mark {
	out := make([]mark, 0, len(s))
	for _, r := range s {
		for _, d := range norm.NFD.String(string(r)) {
			out = append(out, mark{d, norm.NFD.PropertiesString(string(d)).CCC()})
		}
	}
	for i := 0; i < len(out); i++ {
		j := i
		for j < len(out) && out[j].cc != 0 {
			j++
		}
		slices.SortStableFunc(out[i:j], func(a, b mark) int { return int(a.cc) - int(b.cc) })
		i = max(i, j-1)
	}
	return out
}

// composeAll joins each starter with what follows it unless something between
// them blocks it (Unicode 3.11, D115-D117).
func composeAll(in []mark) string {
	out := make([]rune, 0, len(in))
	starter, last := -1, uint8(0) // index in out; class of the character before
	for _, m := range in {
		if starter >= 0 && (last < m.cc || last == 0 && starter == len(out)-1) {
			if c, ok := composePair(out[starter], m.r); ok {
				out[starter] = c
				continue
			}
		}
		if m.cc == 0 {
			starter = len(out)
		}
		last = m.cc
		out = append(out, m.r)
	}
	return string(out)
}

// composePair is the primary composite of two characters, if they have one.
func composePair(a, b rune) (rune, bool) {
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}
