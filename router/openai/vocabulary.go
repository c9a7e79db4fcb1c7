package openai

import "slices"

// vocabulary is what is known of all tokens together.
type vocabulary struct {
	longest int            // bytes that one token can stand for
	unnamed map[int32]bool // tokens whose bytes are another one's name
}

// readVocabulary finds of tokens with equal bytes the one to be named by them: that
// which the text is encoded as, else the first. OLMo's has each run of 2 to 24 spaces
// twice.
func readVocabulary(t Tokenizer, size int) vocabulary {
	v := vocabulary{longest: 1, unnamed: map[int32]bool{}}
	named := make(map[string]int32, size)
	for id := range int32(size) {
		text := string(t.TokenBytes(id))
		if text == "" {
			continue
		}
		v.longest = max(v.longest, len(text))
		other, twice := named[text]
		switch {
		case !twice:
			named[text] = id
		case slices.Equal(t.Encode(text), []int32{id}):
			named[text], v.unnamed[other] = id, true
		default:
			v.unnamed[id] = true
		}
	}
	return v
}
