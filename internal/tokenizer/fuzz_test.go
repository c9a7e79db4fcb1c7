package tokenizer

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// Any file is parsed or refused; a tokenizer that was accepted encodes and
// decodes any text.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/tiny.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, "the token  é")
	for _, s := range []string{
		`{}`, `{"model":{}}`, `{"model":{"vocab":{"a":0}},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"}}`,
		`{"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]],"ignore_merges":true},"pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},"added_tokens":[{"id":3,"content":"é","lstrip":true,"rstrip":true,"single_word":true}]}`,
		`{"model":{"vocab":{"a":0,"<u>":1},"unk_token":"<u>","fuse_unk":true},"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":"ByteLevel","use_regex":false},"decoder":{"type":"ByteLevel"}}`,
	} {
		f.Add([]byte(s), "ab éa")
	}
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tok, err := Parse(data)
		if err != nil {
			return
		}
		for _, id := range tok.Encode(text) {
			if tok.TokenBytes(id) == nil {
				t.Fatalf("Encode(%q) gave id %d, which has no token", text, id)
			}
		}
		tok.Decode(tok.EncodeSpecial(text), true)
	})
}

// With all bytes in the vocabulary: NFC text comes back, other text comes back
// normalized, a stream equals Decode, and a second Encode (from the cache)
// equals the first.
func FuzzEncodeDecode(f *testing.F) {
	for _, s := range []string{"", "the token", "a  b   c", "don't", "e\u0301\u0323", "<|endoftext|>", "\xff\xe2\x82", "😀", "\u1100\u1161\u11a8", "a\n\n b"} {
		f.Add(s)
	}
	tok := tiny(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Encode(text)
		if again := tok.Encode(text); !slices.Equal(ids, again) {
			t.Fatalf("%q: %v, then %v", text, ids, again)
		}
		got := tok.Decode(ids, false)
		if s := stream(tok, ids, false); s != got {
			t.Fatalf("%q: streamed %q, decoded %q", text, s, got)
		}
		valid := ValidUTF8(text)
		if norm.NFC.IsNormalString(valid) && got != valid {
			t.Fatalf("%q came back as %q", valid, got)
		}
	})
}
