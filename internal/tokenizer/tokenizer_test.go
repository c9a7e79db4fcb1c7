package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// tiny is a byte-level BPE with all 256 bytes, 67 merges, runs of 2, 3,
// 4 and 8 spaces and two special tokens, trained on a few lines for the tests.
func tiny(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Load("testdata/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// spelled is the encoding as the file spells tokens.
func spelled(tok *Tokenizer, text string) string {
	var out []string
	for _, id := range tok.Encode(text) {
		out = append(out, tok.TokenString(id))
	}
	return strings.Join(out, "|")
}

func TestEncodeTiny(t *testing.T) {
	tok := tiny(t)
	for text, want := range map[string]string{
		"":                          "",
		"the token":                 "t|he|Ġtoken",
		"a  b":                      "a|  |b", // a run of spaces is a token even before a word
		"a b":                       "a|Ġ|b",
		"     x":                    "    |Ġ|x",
		"<|endoftext|>the":          "<|endoftext|>|t|he",
		"the<|padding|><|padding|>": "t|he|<|padding|>|<|padding|>",
		"<|endoftext|":              "<|||en|d|o|f|t|e|x|t||",
		"é":                         "Ã|©",
		"e\u0301":                   "Ã|©",   // NFC first
		"\xff":                      "ï|¿|½", // not UTF-8: U+FFFD
	} {
		if got := spelled(tok, text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	tok := tiny(t)
	id, ok := tok.TokenID("Ġtoken")
	if !ok || tok.TokenString(id) != "Ġtoken" || string(tok.TokenBytes(id)) != " token" || tok.IsSpecial(id) {
		t.Errorf("Ġtoken: id %d, %v: %q %q", id, ok, tok.TokenString(id), tok.TokenBytes(id))
	}
	end, ok := tok.TokenID("<|endoftext|>")
	if !ok || int(end) != len(tok.spell)-1 || !tok.IsSpecial(end) || string(tok.TokenBytes(end)) != "<|endoftext|>" {
		t.Errorf("<|endoftext|>: id %d, %v", end, ok)
	}
	if _, ok := tok.TokenID("no such token"); ok {
		t.Error("found a token that is not there")
	}
	for _, id := range []int32{-1, int32(len(tok.spell)), 1 << 30} {
		if tok.TokenString(id) != "" || tok.TokenBytes(id) != nil || tok.IsSpecial(id) || tok.Decode([]int32{id}, false) != "" {
			t.Errorf("id %d has a token", id)
		}
	}
}

func TestDecodeSkipsSpecial(t *testing.T) {
	tok := tiny(t)
	ids := tok.Encode("<|endoftext|>the  token<|padding|>")
	if got := tok.Decode(ids, false); got != "<|endoftext|>the  token<|padding|>" {
		t.Errorf("%q", got)
	}
	if got := tok.Decode(ids, true); got != "the  token" {
		t.Errorf("%q", got)
	}
}

// randomText mixes everything that takes another path through Encode.
func randomText(r *rand.Rand) string {
	parts := []string{"the", " token", "don't", "'", " ", "  ", "     ", "\n", "\t", "\u00a0", "é", "e\u0301", "日本", "😀", "가", "\u1100\u1161",
		"<|endoftext|>", "<|pad", "42", "½", "!?", "\x00", "\u0301", "привет"}
	var out strings.Builder
	for range r.IntN(12) {
		out.WriteString(parts[r.IntN(len(parts))])
	}
	return out.String()
}

// Text that is NFC comes back from Encode and Decode.
func TestRoundTrip(t *testing.T) {
	tok := tiny(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		text := norm.NFC.String(randomText(r))
		if got := tok.Decode(tok.Encode(text), false); got != text {
			t.Fatalf("%q came back as %q", text, got)
		}
	}
}

// reference encodes as the definition of BPE reads, with no cache, no heap and
// no trie: text without added tokens only.
func reference(tok *Tokenizer, text string) []int32 {
	var out []int32
	for rest := norm.NFC.String(text); rest != ""; {
		n := nextWord(rest)
		var ids []int32
		for _, b := range []byte(rest[:n]) {
			ids = append(ids, tok.model.byteIDs[b])
		}
		for {
			at, best := -1, noMerge
			for i := 0; i+1 < len(ids); i++ {
				if m := tok.model.merges.get(ids[i], ids[i+1]); m.rank < best.rank {
					at, best = i, m
				}
			}
			if at < 0 {
				break
			}
			ids = slices.Concat(ids[:at], []int32{best.id}, ids[at+2:])
		}
		out = append(out, ids...)
		rest = rest[n:]
	}
	return out
}

func TestEncodeIsBPE(t *testing.T) {
	tok := tiny(t)
	r := rand.New(rand.NewPCG(3, 4))
	letters := []string{"t", "h", "e", "o", "k", "n", "s", "a", "r", "q", "é", "本", "1", "'", " "}
	for range 2000 {
		var b strings.Builder
		for range 1 + r.IntN(150) { // long words take the heap
			b.WriteString(letters[r.IntN(len(letters)-r.IntN(2))])
		}
		text := strings.ReplaceAll(b.String(), "  ", " t")
		if strings.Contains(text, "  ") {
			continue // an added token
		}
		if got, want := tok.Encode(text), reference(tok, text); !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	}
}

// Both ways to merge give the same ids.
func TestScanAndHeapAgree(t *testing.T) {
	tok := anyTokenizer(t)
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		word := make([]byte, 1+r.IntN(120))
		for i := range word {
			word[i] = "etaoinshrdlu \xc3\xa9"[r.IntN(15)]
		}
		scan := tok.model.mergeScan(tok.model.symbols(string(word)))
		heap := tok.model.mergeHeap(tok.model.symbols(string(word)))
		if !slices.Equal(scan, heap) {
			t.Fatalf("%q: scan %v, heap %v", word, scan, heap)
		}
	}
}

// A stream says what Decode says, whatever ids come and however bytes fall
// into tokens.
func TestDecoderEqualsDecode(t *testing.T) {
	tok := anyTokenizer(t)
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		ids := make([]int32, r.IntN(40))
		for i := range ids {
			ids[i] = int32(r.IntN(len(tok.spell)+20)) - 5
			if r.IntN(2) == 0 { // single bytes: code points cut everywhere
				ids[i] = tok.model.byteIDs[128+r.IntN(128)]
			}
		}
		for _, skip := range []bool{false, true} {
			d, got := tok.NewDecoder(skip), ""
			for i, id := range ids {
				// A token that breaks a code point has the rest of the text for itself.
				alone, held := tok.Decode(ids[:i], skip)+tok.Decode(ids[i:i+1], skip), len(d.held) > 0 && tok.Decode(ids[i:i+1], skip) != ""
				if breaks := held && alone == tok.Decode(ids[:i+1], skip); d.Breaks(id) != breaks {
					t.Fatalf("%v: Breaks says %v of token %d", ids, !breaks, i)
				}
				piece := d.Push(id)
				if !utf8.ValidString(piece) {
					t.Fatalf("%v: Push gave %q", ids, piece)
				}
				got += piece
			}
			if got += d.Flush(); got != tok.Decode(ids, skip) {
				t.Fatalf("%v: streamed %q, decoded %q", ids, got, tok.Decode(ids, skip))
			}
		}
	}
}

// An emoji in four tokens appears with the last of them, not before.
func TestDecoderHoldsBack(t *testing.T) {
	tok := tiny(t)
	d := tok.NewDecoder(false)
	var got []string
	for _, id := range tok.Encode("a😀b") {
		got = append(got, d.Push(id))
	}
	if want := []string{"a", "", "", "", "😀", "b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	d.Push(tok.model.byteIDs[0xf0])
	if got := d.Flush(); got != "\ufffd" {
		t.Errorf("Flush of half a code point: %q", got)
	}
	if got := d.Flush(); got != "" {
		t.Errorf("second Flush: %q", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	tok := tiny(t)
	r := rand.New(rand.NewPCG(9, 10))
	texts := make([]string, 200)
	want := make([][]int32, len(texts))
	for i := range texts {
		texts[i] = randomText(r)
		want[i] = tiny(t).Encode(texts[i])
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i, text := range texts {
				if got := tok.Encode(text); !slices.Equal(got, want[i]) {
					t.Errorf("%q: %v, want %v", text, got, want[i])
					return
				}
			}
		}()
	}
	wg.Wait()
}
