package synth

import (
	_ "embed" // the corpus
	"regexp"
	"slices"
	"strings"
)

// corpus is a short text of our own that the merges are learned from.
//
//go:embed corpus.txt
var corpus string

// wordPattern cuts text the way GPT-2's pre-tokenizer does, as far as RE2 can
// say it: a run of blanks before a word keeps its last blank, but that does not
// occur in the corpus.
var wordPattern = regexp.MustCompile(`'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+`)

// byteChars is GPT-2's spelling of bytes: printable Latin-1 stands for itself,
// the rest for the characters from U+0100 on.
func byteChars() [256]string {
	var chars [256]string
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if b <= ' ' || b >= 0x7F && b <= 0xA0 || b == 0xAD {
			r = next
			next++
		}
		chars[b] = string(r)
	}
	return chars
}

// bpe is a byte-pair encoding under construction.
type bpe struct {
	tokens []string       // in the order of their ids
	known  map[string]int // spelling -> place in tokens
	merges []merge
}

// merge joins two neighbouring tokens.
type merge struct{ left, right string }

// newBPE starts with the 256 bytes, in the order of their spelling.
func newBPE() *bpe {
	b := &bpe{known: map[string]int{}}
	chars := byteChars()
	spelled := slices.Sorted(slices.Values(chars[:]))
	for _, s := range spelled {
		b.token(s)
	}
	return b
}

// token adds a spelling unless it is there.
func (b *bpe) token(s string) {
	if _, ok := b.known[s]; !ok {
		b.known[s] = len(b.tokens)
		b.tokens = append(b.tokens, s)
	}
}

// join adds a merge and the token that it makes.
func (b *bpe) join(m merge) {
	b.merges = append(b.merges, m)
	b.token(m.left + m.right)
}

// word is a piece of the corpus, cut into tokens, and how often it occurs.
type word struct {
	parts []string
	count int
}

// words cuts text into distinct words, in the order of their appearance.
func words(text string) []*word {
	chars := byteChars()
	var list []*word
	seen := map[string]*word{}
	for _, s := range wordPattern.FindAllString(text, -1) {
		w := seen[s]
		if w == nil {
			w = &word{}
			for i := range len(s) {
				w.parts = append(w.parts, chars[s[i]])
			}
			seen[s], list = w, append(list, w)
		}
		w.count++
	}
	return list
}

// train learns merges until there are size tokens or every word is one: each
// round joins the most frequent pair, the one that sorts first among equals.
// Only the words that a round changes are counted again.
func (b *bpe) train(text string, size int) {
	list, pairs := words(text), counts{}
	for _, w := range list {
		pairs.add(w, w.count)
	}
	for len(b.tokens) < size {
		m, n := pairs.mostFrequent()
		if n == 0 {
			return
		}
		b.join(m)
		for _, w := range list {
			if w.has(m) {
				pairs.add(w, -w.count)
				w.apply(m)
				pairs.add(w, w.count)
			}
		}
	}
}

// counts says how often each pair of neighbours occurs.
type counts map[merge]int

// add counts the pairs of a word n times more.
func (c counts) add(w *word, n int) {
	for i := 1; i < len(w.parts); i++ {
		c[merge{w.parts[i-1], w.parts[i]}] += n
	}
}

// mostFrequent finds the pair that occurs most often.
func (c counts) mostFrequent() (best merge, most int) {
	for m, n := range c {
		if n > most || n == most && m.before(best) {
			best, most = m, n
		}
	}
	return best, most
}

// has reports whether the pair occurs in the word.
func (w *word) has(m merge) bool {
	for i := 1; i < len(w.parts); i++ {
		if w.parts[i-1] == m.left && w.parts[i] == m.right {
			return true
		}
	}
	return false
}

func (m merge) before(o merge) bool {
	return m.left < o.left || m.left == o.left && m.right < o.right
}

// apply joins every occurrence of the pair, from the left.
func (w *word) apply(m merge) {
	var out []string
	for i := 0; i < len(w.parts); i++ {
		if i+1 < len(w.parts) && w.parts[i] == m.left && w.parts[i+1] == m.right {
			out = append(out, m.left+m.right)
			i++
		} else {
			out = append(out, w.parts[i])
		}
	}
	w.parts = out
}

// fill adds made-up words, a learned word followed by a learned ending, until
// there are size tokens: for models whose vocabulary is larger than a short
// text can fill, so that every id has a text.
func (b *bpe) fill(size int) {
	var heads, tails []string
	for _, s := range b.tokens {
		switch rest, blank := strings.CutPrefix(s, "Ġ"); {
		case !letters(rest) || len(rest) < 2:
		case blank:
			heads = append(heads, s)
		default:
			tails = append(tails, s)
		}
	}
	for _, t := range tails {
		for _, h := range heads {
			if len(b.tokens) >= size {
				return
			}
			if _, ok := b.known[h+t]; !ok {
				b.join(merge{h, t})
			}
		}
	}
}

// letters reports whether s is a word of lower-case ASCII letters.
func letters(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}
