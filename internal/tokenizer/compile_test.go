package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

// edited is testdata/tiny.json with one change.
func edited(t testing.TB, change func(f map[string]any)) []byte {
	t.Helper()
	var f map[string]any
	goldentest.JSON(t, &f, "testdata/tiny.json")
	change(f)
	data, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// set changes the field at a path of keys.
func set(value any, path ...string) func(f map[string]any) {
	return func(f map[string]any) {
		for _, k := range path[:len(path)-1] {
			f = f[k].(map[string]any)
		}
		f[path[len(path)-1]] = value
	}
}

func obj(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func list(v ...any) []any { return v }

// What is not supported is refused, and the error names the field.
func TestParseRefuses(t *testing.T) {
	token := func(pairs ...any) []any { return list(obj(pairs...)) }
	split := func(regex any, behavior string) []any {
		return list(obj("type", "Split", "pattern", regex, "behavior", behavior), obj("type", "ByteLevel", "add_prefix_space", false, "use_regex", false))
	}
	tests := []struct {
		name   string
		change func(map[string]any)
		want   string
	}{
		{"no model", set(nil, "model"), "model: missing"},
		{"another model", set("Unigram", "model", "type"), `model.type: "Unigram"`},
		{"another model's vocab", set(obj("type", "Unigram", "vocab", list(list("<unk>", 0))), "model"), `model.type: "Unigram"`},
		{"vocab is a list", set(list("a"), "model", "vocab"), "vocab"},
		{"no vocab", set(obj(), "model", "vocab"), "model.vocab: empty"},
		{"dropout", set(0.1, "model", "dropout"), "model.dropout"},
		{"byte_fallback", set(true, "model", "byte_fallback"), "model.byte_fallback"},
		{"subword prefix", set("##", "model", "continuing_subword_prefix"), "model.continuing_subword_prefix"},
		{"word suffix", set("</w>", "model", "end_of_word_suffix"), "model.end_of_word_suffix"},
		{"unk not there", set("<unk>", "model", "unk_token"), `model.unk_token: "<unk>"`},
		{"merge of three", set(list("a b c"), "model", "merges"), "not two tokens"},
		{"merge of one", set(list("ab"), "model", "merges"), "not two tokens"},
		{"merge list of three", set(list(list("a", "b", "c")), "model", "merges"), "has 3 parts"},
		{"merge is a number", set(list(5), "model", "merges"), "cannot unmarshal"},
		{"merge of a number", set(list(list("a", 5)), "model", "merges"), "cannot unmarshal"},
		{"merge without its result", set(list("q q"), "model", "merges"), `model.merges[0]: "q" + "q"`},
		{"negative id", set(-1, "model", "vocab", "a"), `token "a" has id -1`},
		{"huge id", set(1<<20, "model", "vocab", "a"), "not within"},
		{"two tokens, one id", set(5, "model", "vocab", "new"), "both have id 5"},
		{"added token's id differs", set(token("id", 400, "content", "he"), "added_tokens"), `token "he" has id 400 here`},
		{"added token without text", set(token("id", 400, "content", ""), "added_tokens"), "added_tokens[0]: content is empty"},
		{"added token takes an id", set(token("id", 5, "content", "<x>"), "added_tokens"), "added_tokens[0]"},
		{"normalizer", set(obj("type", "Lowercase"), "normalizer"), `normalizer.type: "Lowercase"`},
		{"normalizer in a sequence", set(obj("type", "Sequence", "normalizers", list(obj("type", "NFC"), obj("type", "Strip"))), "normalizer"), `normalizer.normalizers[1].type: "Strip"`},
		{"no pre_tokenizer", set(nil, "pre_tokenizer"), "pre_tokenizer: missing"},
		{"pre_tokenizer", set(obj("type", "Metaspace"), "pre_tokenizer"), `pre_tokenizer.type: "Metaspace"`},
		{"empty sequence", set(obj("type", "Sequence"), "pre_tokenizer"), "must end with ByteLevel"},
		{"sequence of others", set(obj("type", "Sequence", "pretokenizers", list(obj("type", "Digits"), obj("type", "ByteLevel"))), "pre_tokenizer"), `"Digits"`},
		{"another pattern", set(obj("type", "Sequence", "pretokenizers", split(obj("Regex", `\w+`), "Isolated")), "pre_tokenizer"), "only GPT-2's regular expression"},
		{"a text pattern", set(obj("type", "Sequence", "pretokenizers", split(obj("String", " "), "Isolated")), "pre_tokenizer"), "only GPT-2's regular expression"},
		{"another behaviour", set(obj("type", "Sequence", "pretokenizers", split(obj("Regex", gpt2Pattern), "Removed")), "pre_tokenizer"), `behavior "Removed"`},
		{"prefix after split", set(obj("type", "Sequence", "pretokenizers", list(split(obj("Regex", gpt2Pattern), "Isolated")[0], obj("type", "ByteLevel"))), "pre_tokenizer"), "add_prefix_space"},
		{"no decoder", set(nil, "decoder"), "decoder: missing"},
		{"decoder", set(obj("type", "WordPiece"), "decoder"), `decoder.type: "WordPiece"`},
		{"post_processor", set(obj("type", "BertProcessing"), "post_processor"), `post_processor.type: "BertProcessing"`},
		{"post_processor in a sequence", set(obj("type", "Sequence", "processors", list(obj("type", "X"))), "post_processor"), "post_processor.processors[0].type"},
		{"template without text", set(obj("type", "TemplateProcessing", "single", list()), "post_processor"), "no Sequence"},
		{"template with unknown token", set(obj("type", "TemplateProcessing", "single", list(obj("SpecialToken", obj("id", "<s>")))), "post_processor"), `single[0]: token "<s>"`},
		{"template with an id out of range", set(obj("type", "TemplateProcessing", "single", list(obj("SpecialToken", obj("id", "<s>"))), "special_tokens", obj("<s>", obj("ids", list(99999)))), "post_processor"), "not in the vocabulary"},
		{"template with the text twice", set(obj("type", "TemplateProcessing", "single", list(obj("Sequence", obj("id", "A")), obj("Sequence", obj("id", "A")))), "post_processor"), "single[1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(edited(t, tt.change)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	gpt2 := obj("type", "Split", "pattern", obj("Regex", gpt2Pattern), "behavior", "Isolated", "invert", false)
	bytes := obj("type", "ByteLevel", "add_prefix_space", false, "use_regex", false)
	template := obj("type", "TemplateProcessing",
		"single", list(obj("SpecialToken", obj("id", "<s>")), obj("Sequence", obj("id", "A")), obj("SpecialToken", obj("id", "</s>"))),
		"special_tokens", obj("<s>", obj("ids", list(0)), "</s>", obj("ids", list(328, 0))))
	tests := []struct {
		name, text, want string
		change           func(map[string]any)
	}{
		{"no normalizer", "e\u0301", "e|Ì|ģ", set(nil, "normalizer")},
		{"sequence of normalizers", "e\u0301", "Ã|©", set(obj("type", "Sequence", "normalizers", list(obj("type", "NFC"))), "normalizer")},
		{"prefix space", "the the", "Ġthe|Ġthe", set(true, "pre_tokenizer", "add_prefix_space")},
		{"prefix space is there", " the", "Ġthe", set(true, "pre_tokenizer", "add_prefix_space")},
		{"prefix space of nothing", "", "", set(true, "pre_tokenizer", "add_prefix_space")},
		{"whole text as one word", "en\nen", "en|Ċ|en", set(false, "pre_tokenizer", "use_regex")},
		{"split by pattern", "the token's", "t|he|Ġtoken|'|s", set(obj("type", "Sequence", "pretokenizers", list(gpt2, bytes)), "pre_tokenizer")},
		{"byte level in a sequence", "a", "a", set(obj("type", "Sequence", "pretokenizers", list(bytes)), "pre_tokenizer")},
		{"merges as pairs", "Ġthe", "Ä|ł|t|he", set(list(list("h", "e")), "model", "merges")},
		{"old header line", "he", "he", set(list("#version: 0.2", "h e"), "model", "merges")},
		{"ignore_merges", "token", "token", func(f map[string]any) {
			set(true, "model", "ignore_merges")(f)
			set(400, "model", "vocab", "token")(f)
		}},
		{"no type", "he", "he", set(nil, "model", "type")},
		{"special tokens of a template are not in Encode", "he", "he", set(template, "post_processor")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tok, err := Parse(edited(t, tt.change))
			if err != nil {
				t.Fatal(err)
			}
			if got := spelled(tok, tt.text); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	tok, err := Parse(edited(t, set(obj("type", "Sequence", "processors", list(obj("type", "ByteLevel"), template)), "post_processor")))
	if err != nil {
		t.Fatal(err)
	}
	he := tok.vocab["he"]
	if got := tok.EncodeSpecial("he"); !slices.Equal(got, []int32{0, he, 328, 0}) {
		t.Errorf("EncodeSpecial = %v", got)
	}
	if got := tiny(t).EncodeSpecial("he"); !slices.Equal(got, []int32{he}) {
		t.Errorf("EncodeSpecial without a template = %v", got)
	}
}

// Bytes without a token become unk, one or one per run; without unk they are
// dropped, as in the reference.
func TestUnknownBytes(t *testing.T) {
	remove := func(f map[string]any) {
		vocab := f["model"].(map[string]any)["vocab"].(map[string]any)
		delete(vocab, "X")
		delete(vocab, "Y")
		vocab["<unk>"] = 400
	}
	for _, tt := range []struct {
		unk  any
		fuse bool
		want string
	}{{nil, false, "a|b"}, {"<unk>", false, "a|<unk>|<unk>|b|<unk>"}, {"<unk>", true, "a|<unk>|b|<unk>"}} {
		tok, err := Parse(edited(t, func(f map[string]any) {
			remove(f)
			set(tt.unk, "model", "unk_token")(f)
			set(tt.fuse, "model", "fuse_unk")(f)
		}))
		if err != nil {
			t.Fatal(err)
		}
		if got := spelled(tok, "aXYbX"); got != tt.want {
			t.Errorf("unk %v, fuse %v: %s, want %s", tt.unk, tt.fuse, got, tt.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "none.json")); err == nil || !strings.Contains(err.Error(), "none.json") {
		t.Errorf("missing file: %v", err)
	}
	path := filepath.Join(dir, "tokenizer.json")
	for content, want := range map[string]string{"": "not a tokenizer.json", "{": "not a tokenizer.json", "[]": "not a tokenizer.json", "{}": "model: missing"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: err = %v, want %q and the path", content, err, want)
		}
	}
	if err := os.Truncate(path, maxFileBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("too large: %v", err)
	}
}
