package openai

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// tokenNames writes tokens in log-probabilities.
type tokenNames struct {
	tokenizer Tokenizer
	unnamed   map[int32]bool // tokens whose bytes are another one's name
}

// readVocabulary looks at every token once. It finds of those with equal bytes the one to
// be named by them: that which the text is encoded as, else the first. OLMo's has each run
// of 2 to 24 spaces twice. longest is the most bytes that one token stands for.
func readVocabulary(t Tokenizer, size int) (names tokenNames, longest int) {
	unnamed := map[int32]bool{}
	longest = 1
	named := make(map[string]int32, size)
	for id := range int32(size) {
		text := string(t.TokenBytes(id))
		if text == "" {
			continue
		}
		longest = max(longest, len(text))
		other, twice := named[text]
		switch {
		case !twice:
			named[text] = id
		case slices.Equal(t.Encode(text), []int32{id}):
			named[text], unnamed[other] = id, true
		default:
			unnamed[id] = true
		}
	}
	return tokenNames{t, unnamed}, longest
}

// uniqueText is a token's text as a map key: "bytes:\xe2\x82" if it is not
// whole characters (as OpenAI writes it) and "token_id:N" if it has no text, or
// another token's, so that two tokens never share a key.
func (n tokenNames) uniqueText(id int32) string {
	b := n.tokenizer.TokenBytes(id)
	if len(b) == 0 || n.unnamed[id] {
		return fmt.Sprintf("token_id:%d", id)
	}
	if utf8.Valid(b) {
		return string(b)
	}
	var hex strings.Builder
	hex.WriteString("bytes:")
	for _, c := range b {
		fmt.Fprintf(&hex, `\x%02x`, c)
	}
	return hex.String()
}
