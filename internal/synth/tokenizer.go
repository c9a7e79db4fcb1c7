package synth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The vocabulary is laid out as in OLMoE's tokenizer: two added tokens, the
// bytes, what merges make, runs of 24 to 2 blanks, two added tokens, and the
// end of text, which is also the beginning.
const (
	leadingTokens = 2
	byteTokens    = 256
	longestBlank  = 24
	blankTokens   = longestBlank - 1
	closingTokens = 3
	minTokens     = leadingTokens + byteTokens + blankTokens + closingTokens

	endOfText = "<|endoftext|>"
	padding   = "<|padding|>"
)

// chatTemplate marks turns as OLMoE's Instruct models do: the role in
// <|role|>, the text on the next line, an end-of-text after each answer.
const chatTemplate = `{{ bos_token }}{% for message in messages %}` +
	`{{ '<|' + message['role'] + '|>\n' + message['content'] }}` +
	`{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}` +
	`{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}`

// added is an entry of added_tokens.
type added struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// newTokens makes what lies between the added tokens of a vocabulary of n.
func newTokens(n int) (*bpe, error) {
	b, learned := newBPE(), n-(minTokens-byteTokens)
	b.train(corpus, learned)
	b.fill(learned)
	if len(b.tokens) < learned {
		return nil, fmt.Errorf("a tokenizer of %d tokens was asked for; at most %d can be made", n, len(b.tokens)+minTokens-byteTokens)
	}
	return b, nil
}

// addTokenizerFiles adds tokenizer.json, tokenizer_config.json and
// special_tokens_map.json.
func addTokenizerFiles(files map[string]string, b *bpe, o Options) error {
	extra := addedTokens(o.EOSTokenID)
	special := map[string]any{"bos_token": endOfText, "eos_token": endOfText, "pad_token": padding}
	for name, v := range map[string]any{
		"tokenizer.json":          tokenizerJSON(b, extra),
		"tokenizer_config.json":   tokenizerConfig(extra, o),
		"special_tokens_map.json": special,
	} {
		text, err := encodeJSON(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files[name] = text
	}
	return nil
}

// addedTokens lists the tokens that are found in text before any merging, by
// rising id. Only padding and end of text are special: dropped from answers.
func addedTokens(eos int) []added {
	list := []added{
		{ID: 0, Content: "|||IP_ADDRESS|||", Normalized: true},
		{ID: 1, Content: padding, Special: true},
	}
	id := eos + 1 - blankTokens - closingTokens
	for n := longestBlank; n >= 2; n-- {
		list = append(list, added{ID: id, Content: strings.Repeat(" ", n), Normalized: true})
		id++
	}
	return append(list,
		added{ID: id, Content: "|||EMAIL_ADDRESS|||", Normalized: true},
		added{ID: id + 1, Content: "|||PHONE_NUMBER|||", Normalized: true},
		added{ID: id + 2, Content: endOfText, Special: true})
}

// tokenizerJSON has the structure of OLMoE's tokenizer.json.
func tokenizerJSON(b *bpe, extra []added) any {
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	vocab := map[string]int{}
	for i, s := range b.tokens {
		vocab[s] = leadingTokens + i
	}
	for _, a := range extra {
		vocab[a.Content] = a.ID
	}
	merges := make([]string, len(b.merges))
	for i, m := range b.merges {
		merges[i] = m.left + " " + m.right
	}
	return map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil,
		"added_tokens": extra, "normalizer": map[string]any{"type": "NFC"},
		"pre_tokenizer": byteLevel, "post_processor": byteLevel, "decoder": byteLevel,
		"model": map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil,
			"continuing_subword_prefix": nil, "end_of_word_suffix": nil,
			"fuse_unk": false, "byte_fallback": false,
			"vocab": vocab, "merges": merges,
		},
	}
}

// tokenizerConfig has the fields of OLMoE's tokenizer_config.json.
func tokenizerConfig(extra []added, o Options) any {
	decoder := map[string]any{}
	for _, a := range extra {
		decoder[strconv.Itoa(a.ID)] = map[string]any{
			"content": a.Content, "lstrip": a.LStrip, "rstrip": a.RStrip,
			"normalized": a.Normalized, "single_word": a.SingleWord, "special": a.Special,
		}
	}
	return map[string]any{ //nolint:gosec // no credentials
		"add_bos_token": false, "add_eos_token": false, "add_prefix_space": false,
		"added_tokens_decoder": decoder, "chat_template": chatTemplate,
		"bos_token": endOfText, "eos_token": endOfText, "pad_token": padding, "unk_token": nil,
		"clean_up_tokenization_spaces": false, "model_max_length": o.MaxPositions,
		"tokenizer_class": "GPTNeoXTokenizer",
	}
}

// encodeJSON writes v indented, leaving < and > readable.
func encodeJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(v)
	return b.String(), err
}
