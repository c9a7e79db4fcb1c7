package tokenizer

import (
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

// benchTexts are kinds of input whose cost differs: a text of repeated words
// lives off the word cache, the others do not.
var benchTexts = map[string]string{
	"prose":       strings.Repeat("The router keeps the tokens of a request together, and the expert nodes keep the experts. It's 42 years old!\n", 2000),
	"distinct":    distinctWords(20000),
	"cjk":         strings.Repeat("日本語のテキストを処理するためのトークナイザー。", 3000),
	"one letter":  strings.Repeat("a", 1<<18),
	"spaces":      strings.Repeat(" ", 1<<18),
	"line breaks": strings.Repeat("\n", 1<<18),
	"digits":      strings.Repeat("0123456789", 1<<15),
	"not NFC":     strings.Repeat("cafe\u0301 ", 30000),
	"zalgo":       "a" + strings.Repeat("\u0301\u0323", 50000),
}

// distinctWords are n words that all differ.
func distinctWords(n int) string {
	var out strings.Builder
	for i := range n {
		for x := i*2654435761 + 12345; x > 0; x /= 26 {
			out.WriteByte(byte('a' + x%26))
		}
		out.WriteByte(' ')
	}
	return out.String()
}

func BenchmarkEncode(b *testing.B) {
	tok := anyTokenizer(b)
	for name, text := range benchTexts {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	tok := anyTokenizer(b)
	ids := tok.Encode(benchTexts["prose"])
	b.SetBytes(int64(len(benchTexts["prose"])))
	for b.Loop() {
		tok.Decode(ids, true)
	}
}

// BenchmarkPush is one token of a stream.
func BenchmarkPush(b *testing.B) {
	tok := anyTokenizer(b)
	ids := tok.Encode(benchTexts["prose"])
	d := tok.NewDecoder(true)
	for i := 0; b.Loop(); i++ {
		d.Push(ids[i%len(ids)])
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load("testdata/tiny.json"); err != nil {
			b.Fatal(err)
		}
	}
}

// anyTokenizer is OLMo's where it is at hand, else the small one.
func anyTokenizer(t testing.TB) *Tokenizer {
	if goldentest.Find(t, "tokenizer") != "" {
		return loadGolden(t, "tokenizer.json")
	}
	return tiny(t)
}

// A hostile text costs no more than some ordinary one: 1 MB of each kind in
// well under the second that a quadratic algorithm would need hours for.
func TestEncodeTimeIsBounded(t *testing.T) {
	tok := anyTokenizer(t)
	for name, text := range map[string]string{
		"one letter":        strings.Repeat("a", 1<<20),
		"two letters":       strings.Repeat("ab", 1<<19),
		"spaces":            strings.Repeat(" ", 1<<20),
		"line breaks":       strings.Repeat("\n", 1<<20),
		"apostrophes":       strings.Repeat("'", 1<<20),
		"wide spaces":       strings.Repeat("\u3000", 1<<18),
		"marks":             strings.Repeat("\u0301", 1<<18),
		"mixed marks":       "a" + strings.Repeat("\u0323\u0301", 1<<17),
		"jamo":              strings.Repeat("\u1161", 1<<18),
		"almost a token":    strings.Repeat("<|endoftext|", 1<<16),
		"invalid":           strings.Repeat("\xf0\x9f\x98", 1<<18),
		"one emoji":         strings.Repeat("😀", 1<<18),
		"letter and spaces": strings.Repeat("a  ", 1<<18),
	} {
		start := time.Now()
		tok.Encode(text)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %v for %d bytes", name, took, len(text))
		}
	}
}
