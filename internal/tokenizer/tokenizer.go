// Package tokenizer turns text into token ids and back, as the byte-level BPE
// of a Hugging Face tokenizer.json says (GPT-2, GPT-NeoX, OLMo). The steps of
// Encode are one file each:
//
//	added.go      cut out the added tokens (twice: before and after normalizing)
//	normalize.go  NFC
//	split.go      cut into words by the GPT-2 pattern
//	bpe.go        merge the bytes of each word; cache.go remembers words
//
// and decode.go goes back. file.go reads the file, compile.go checks it.
//
// The reference is the Rust library github.com/huggingface/tokenizers; ADR
// 0020 says why this is not a wrapper around a Go library.
package tokenizer

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// maxFileBytes bounds the file we parse: the largest tokenizer.json in
// practice (vocabularies of 260,000 tokens) is about 35 MB.
const maxFileBytes = 64 << 20

// Tokenizer is safe for concurrent use: it is immutable after Load but for the
// word cache, which locks nothing and changes no result.
type Tokenizer struct {
	vocab map[string]int32 // spelling -> id, added tokens included
	spell []string         // id -> spelling as in the file; "" = no token
	bytes [][]byte         // id -> the bytes it stands for; nil = no token

	special []bool // id -> dropped by skipSpecial

	before addedSet // added tokens matched in the raw text
	after  addedSet // added tokens matched in the normalized text

	nfc         bool
	prefixSpace bool // pre_tokenizer.add_prefix_space
	split       bool // cut by the GPT-2 pattern
	model       bpe
	cache       *wordCache

	prefix, suffix []int32 // what post_processor adds around one text
}

// Load reads a tokenizer.json. Errors name the file and the field; those of a file that
// cannot be read are of package checkpoint's kinds.
func Load(path string) (*Tokenizer, error) {
	data, err := checkpoint.ReadFile(path, maxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s: %w", path, err)
	}
	return t, nil
}

// TokenString is a token's spelling in the file ("Ġthe" for " the"; added tokens
// by their text), "" for an id without a token. For readable text use Decode, for
// exact bytes TokenBytes.
func (t *Tokenizer) TokenString(id int32) string {
	if !t.known(id) {
		return ""
	}
	return t.spell[id]
}

// TokenID is the token of a spelling in the file.
func (t *Tokenizer) TokenID(spelling string) (id int32, ok bool) {
	id, ok = t.vocab[spelling]
	return id, ok
}

// TokenBytes are the bytes that a token adds to the text, nil for an id
// without a token. They need not be whole code points. The caller must not
// change them.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	if !t.known(id) {
		return nil
	}
	return t.bytes[id]
}

// IsSpecial says whether Decode with skipSpecial drops this id.
func (t *Tokenizer) IsSpecial(id int32) bool { return t.known(id) && t.special[id] }

func (t *Tokenizer) known(id int32) bool {
	return id >= 0 && int(id) < len(t.bytes) && t.bytes[id] != nil
}
