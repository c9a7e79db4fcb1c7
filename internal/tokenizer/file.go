package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// rawFile is what we read of a tokenizer.json. truncation and padding are not
// read: callers (the API) decide lengths, as transformers does.
type rawFile struct {
	AddedTokens   []rawAdded    `json:"added_tokens"`
	Normalizer    *rawComponent `json:"normalizer"`
	PreTokenizer  *rawComponent `json:"pre_tokenizer"`
	PostProcessor *rawComponent `json:"post_processor"`
	Decoder       *rawComponent `json:"decoder"`
	Model         *rawModel     `json:"model"`
}

type rawAdded struct {
	ID         int64  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized *bool  `json:"normalized"` // missing: not special
	Special    bool   `json:"special"`
}

// rawComponent is the union of the components we know; Type says which.
type rawComponent struct {
	Type           string         `json:"type"`
	Normalizers    []rawComponent `json:"normalizers"`
	PreTokenizers  []rawComponent `json:"pretokenizers"`
	Processors     []rawComponent `json:"processors"`
	AddPrefixSpace *bool          `json:"add_prefix_space"` // missing: true
	UseRegex       *bool          `json:"use_regex"`        // missing: true
	Pattern        struct{ Regex, String *string }
	Behavior       string                `json:"behavior"`
	Invert         bool                  `json:"invert"`
	Single         []rawPiece            `json:"single"`
	SpecialTokens  map[string]rawSpecial `json:"special_tokens"`
}

// rawPiece is one element of a TemplateProcessing template.
type rawPiece struct {
	SpecialToken *struct{ ID string }
	Sequence     *struct{ ID string }
}

type rawSpecial struct {
	IDs []int64 `json:"ids"`
}

type rawModel struct {
	Type         string           `json:"type"`
	Dropout      *float64         `json:"dropout"`
	UnkToken     *string          `json:"unk_token"`
	Prefix       string           `json:"continuing_subword_prefix"`
	Suffix       string           `json:"end_of_word_suffix"`
	FuseUnk      bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
	Vocab        map[string]int64 `json:"vocab"`
	Merges       []rawMerge       `json:"merges"`
}

// rawMerge is a merge, written "a b" or, since tokenizers 0.20, ["a", "b"]. The
// old form may start with a line "#version: 0.2", as in merges.txt.
type rawMerge struct {
	left, right string
	header      bool
}

func (m *rawMerge) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var two []string
		if err := json.Unmarshal(data, &two); err != nil {
			return err
		}
		if len(two) != 2 {
			return fmt.Errorf("merge %s has %d parts, not 2", data, len(two))
		}
		m.left, m.right = two[0], two[1]
		return nil
	}
	var line string
	if err := json.Unmarshal(data, &line); err != nil {
		return err
	}
	m.header = strings.HasPrefix(line, "#version")
	left, right, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(right, " ") {
		return fmt.Errorf("merge %q is not two tokens with a space between", line)
	}
	m.left, m.right = left, right
	return nil
}

func orTrue(b *bool) bool { return b == nil || *b }
