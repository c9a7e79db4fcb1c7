package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// gpt2Pattern is the word pattern that ByteLevel with use_regex stands for.
// RE2 has no lookahead, so nextWord matches it by hand, in linear time.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// class is a character's kind in the pattern; every character has one.
type class uint8

const (
	other class = iota
	letter
	number
	space // \s: Unicode White_Space
)

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for c := range t {
		t[c] = classOf(rune(c))
	}
	return t
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classAt is the class and width of the character at s[i]; s must be valid UTF-8.
func classAt(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// nextWord is the length of the pattern's match at the start of s, which is
// not empty. The pattern matches at every place, so words partition the text.
func nextWord(s string) int {
	if n := contraction(s); n > 0 {
		return n
	}
	c, n := classAt(s, 0)
	if s[0] == ' ' && len(s) > 1 { // " ?" takes the space only if a word follows
		if c2, n2 := classAt(s, 1); c2 != space {
			return run(s, 1+n2, c2)
		}
	}
	if c != space {
		return run(s, n, c)
	}
	return spaces(s, n)
}

// contraction matches 's|'t|'re|'ve|'m|'ll|'d; lower case only, as written.
func contraction(s string) int {
	if s[0] != '\'' || len(s) < 2 {
		return 0
	}
	switch s[1] {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(s) >= 3 && (s[1:3] == "re" || s[1:3] == "ve" || s[1:3] == "ll") {
		return 3
	}
	return 0
}

// run extends a match that ends at i over characters of class c.
func run(s string, i int, c class) int {
	for i < len(s) {
		ci, n := classAt(s, i)
		if ci != c {
			break
		}
		i += n
	}
	return i
}

// spaces matches \s+(?!\S)|\s+ where s starts with a space of n bytes: the
// last space before a word is left to that word, unless it is the only one.
func spaces(s string, n int) int {
	last := 0 // where the last space starts
	for i := n; i < len(s); {
		c, w := classAt(s, i)
		if c != space {
			if last > 0 {
				return last
			}
			return i
		}
		last = i
		i += w
	}
	return len(s)
}
