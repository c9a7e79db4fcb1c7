package tokenizer

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// wordStart is the pattern up to its \s alternatives, which need lookahead;
// \s here is spelled out, since RE2's is ASCII.
var (
	wordStart  = regexp.MustCompile(`^(?:'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\t-\r\x{85}\p{Z}\p{L}\p{N}]+)`)
	whiteSpace = regexp.MustCompile(`^[\t-\r\x{85}\p{Z}]+`)
)

// slowWord is nextWord by regular expressions.
func slowWord(s string) int {
	if m := wordStart.FindString(s); m != "" {
		return len(m)
	}
	m := whiteSpace.FindString(s)
	_, last := utf8.DecodeLastRuneInString(m)
	if len(m) == len(s) || len(m) == last {
		return len(m)
	}
	return len(m) - last
}

func TestNextWord(t *testing.T) {
	for text, want := range map[string]string{
		"Hello world":      "Hello| world",
		"don't we'll I'Ve": "don|'t| we|'ll| I|'|Ve",
		"a  b":             "a| | b",
		"a \n b":           "a| \n| b",
		"a\n\nb":           "a|\n|\n|b",
		"end   ":           "end|   ",
		"x123y":            "x|123|y",
		" 42 !? '":         " 42| !?| '",
		"'s":               "'s",
		"''s":              "''|s",
		"é½Ⅷ日本":            "é|½Ⅷ|日本",
		"a\u00a0\u3000b":   "a|\u00a0|\u3000|b",
		"a\u0301":          "a|\u0301", // a mark is neither letter nor space
		"😀😀 😀":             "😀😀| 😀",
		"'":                "'",
		" ":                " ",
		"\x00\u200b":       "\x00\u200b",
	} {
		var got []string
		for rest := text; rest != ""; {
			n := nextWord(rest)
			got, rest = append(got, rest[:n]), rest[n:]
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%q: %q, want %q", text, s, want)
		}
	}
}

func TestNextWordIsThePattern(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	chars := []rune("ab'stvremlld  \n\t\u00a0\u0085\u3000\u200b1½²٣éß日!?_-😀\u0301\u1100\x1c\x00")
	for range 20000 {
		text := make([]rune, 1+r.IntN(12))
		for i := range text {
			text[i] = chars[r.IntN(len(chars))]
		}
		s := string(text)
		if got, want := nextWord(s), slowWord(s); got != want {
			t.Fatalf("%q: %d, want %d", s, got, want)
		}
		// A word of its own is one word: Split and use_regex may both be on.
		if w := s[:nextWord(s)]; nextWord(w) != len(w) {
			t.Fatalf("%q: the word %q splits again", s, w)
		}
	}
}

func TestValidUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 😀":                            "plain é 😀",
		"\xff":                                 "�",
		"a\x80b":                               "a�b",
		"\x80\x80":                             "��",
		"\xe2\x82":                             "�",    // a code point cut short is one part
		"\xe2\x82A":                            "�A",   //
		"\xe2\x82\xe2\x82\xac":                 "�€",   //
		"\xf0\x9f\x98":                         "�",    //
		"\xf0\x9f\xf0\x9f":                     "��",   //
		"\xe0\x80\x80":                         "���",  // overlong
		"\xed\xa0\x80":                         "���",  // a surrogate
		"\xf4\x90\x80\x80":                     "����", // beyond U+10FFFF
		"\xc0\xaf":                             "��",
		"\xf8\x88\x80\x80\x80":                 "�����",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41": "����A", // Unicode 3.9, table 3-11
	} {
		if got := ValidUTF8(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// The slow path of NFC is NFC: the library agrees wherever it does not insert
// U+034F.
func TestComposeAll(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	chars := []rune("ae q\u0300\u0301\u0323\u0315\u0344\u0345\u05b0\u0f71\u0f72\u0f73\u3099か\u1100\u1161\u11a8가각Å\u212b\u1e69\u0958\u2adcẛ\u0307ﬁ\u1ea1\u0302")
	for range 20000 {
		text := make([]rune, 1+r.IntN(14))
		for i := range text {
			text[i] = chars[r.IntN(len(chars))]
		}
		s := string(text)
		if strings.ContainsRune(norm.NFC.String(s), '\u034f') {
			continue
		}
		if got, want := composeAll(decomposeAll(s)), norm.NFC.String(s); got != want {
			t.Fatalf("%+q: %+q, want %+q", s, got, want)
		}
	}
}

// More marks than the library takes at once: nothing is inserted.
func TestNFCOfManyMarks(t *testing.T) {
	marks := strings.Repeat("\u0323\u0301", 200)
	got := nfc("a" + marks)
	want := "\u1ea1" + strings.Repeat("\u0323", 199) + strings.Repeat("\u0301", 200)
	if got != want {
		t.Errorf("%+q, want %+q", got, want)
	}
	for _, s := range []string{"", "plain", "é", want, strings.Repeat("\u0301", 100)} {
		if got := nfc(s); got != s {
			t.Errorf("NFC text %+q became %+q", s, got)
		}
	}
}

// cutParts is what cut finds: added tokens as <text>.
func cutParts(s addedSet, text string) string {
	var out []string
	s.cut(text, func(part string, id int32) {
		if id != absent {
			part = "<" + part + ">"
		}
		out = append(out, part)
	})
	return strings.Join(out, "|")
}

func TestAddedTokens(t *testing.T) {
	set := newAddedSet([]addedToken{
		{text: "ab", id: 1}, {text: "abc", id: 2}, {text: "bcd", id: 3}, {text: "  ", id: 4}, {text: "   ", id: 5},
		{text: "[L]", id: 6, lstrip: true}, {text: "[R]", id: 7, rstrip: true}, {text: "word", id: 8, singleWord: true},
		{text: "\n", id: 9, lstrip: true, rstrip: true},
	})
	for text, want := range map[string]string{
		"":                 "",
		"x":                "x",
		"ab":               "<ab>",
		"abcd":             "<abc>|d", // leftmost, then longest
		"xbcd":             "x|<bcd>",
		"abab":             "<ab>|<ab>",
		"a":                "a",
		"bc":               "bc",
		"a     b":          "a|<   >|<  >|b",
		"a  [L]":           "a|<  >|<[L]>", // the spaces are taken already
		"a [L] b":          "a|< [L]>| b",
		"a [R] b":          "a |<[R] >|b",
		"a[R][R]":          "a|<[R]>|<[R]>",
		"a[R]  b":          "a|<[R]  >|<  >|b", // the reference's quirk: both take the spaces
		"word":             "<word>",
		"a word, sword":    "a |<word>|, sword",
		"words word_ word": "words word_ |<word>",
		"wordé 日word":      "wordé 日word",
		"a \n b":           "a|< \n >|b",
	} {
		if got := cutParts(set, text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := cutParts(newAddedSet(nil), "text"); got != "text" {
		t.Errorf("no tokens: %q", got)
	}
}

func TestByteAlphabet(t *testing.T) {
	seen := map[rune]bool{}
	for b, c := range byteChars {
		if seen[c] || charBytes[c] != byte(b) {
			t.Errorf("byte %d: character %q is not its own", b, c)
		}
		seen[c] = true
	}
	for b, c := range map[byte]rune{' ': 'Ġ', '\n': 'Ċ', 0: 'Ā', 'a': 'a', 0x7f: 'ġ', 0xa0: 'ł', 0xad: 'Ń', 0xff: 'ÿ'} {
		if byteChars[b] != c {
			t.Errorf("byte %#x is %q, want %q", b, byteChars[b], c)
		}
	}
	if b, ok := unspell("Ġé"); !ok || !slices.Equal(b, []byte{' ', 0xe9}) {
		t.Errorf("%v %v", b, ok)
	}
	if b, ok := unspell("a b"); ok || string(b) != "a b" {
		t.Errorf("a text outside the alphabet: %q %v", b, ok)
	}
}

func TestWordCache(t *testing.T) {
	c := newWordCache()
	if _, ok := c.get("a"); ok {
		t.Error("an empty cache has a word")
	}
	ids := []int32{1, 2}
	c.put("a", ids)
	ids[0] = 9
	if got, ok := c.get("a"); !ok || !slices.Equal(got, []int32{1, 2}) {
		t.Errorf("%v %v: the cache must keep a copy", got, ok)
	}
	for i := range 3 * cacheSlots { // never more than its slots, never a wrong answer
		c.put(string(rune(0x100+i)), []int32{int32(i)})
		if got, ok := c.get(string(rune(0x100 + i))); !ok || got[0] != int32(i) {
			t.Fatalf("word %d: %v %v", i, got, ok)
		}
	}
}
