package tokenizer

import (
	"slices"
	"sync"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

var loaded sync.Map // name -> *Tokenizer: loading takes a while

func loadGolden(t testing.TB, name string) *Tokenizer {
	t.Helper()
	if tok, ok := loaded.Load(name); ok {
		return tok.(*Tokenizer)
	}
	tok, err := Load(goldentest.Path(t, "tokenizer", name))
	if err != nil {
		t.Fatal(err)
	}
	loaded.Store(name, tok)
	return tok
}

type goldenCase struct {
	ID          int      `json:"id"`
	Text        string   `json:"text"`
	IDs         []int32  `json:"ids"`
	Tokens      []string `json:"tokens"`
	Decoded     string   `json:"decoded"`
	DecodedSkip string   `json:"decoded_skip_special"`
	Roundtrip   bool     `json:"roundtrip"`
}

func TestGoldenEncode(t *testing.T) {
	tok := loadGolden(t, "tokenizer.json")
	var cases []goldenCase
	goldentest.JSON(t, &cases, goldentest.Path(t, "tokenizer", "encode_cases.json"))
	for _, c := range cases {
		for range 2 { // the second time words come from the cache
			if got := tok.Encode(c.Text); !slices.Equal(got, c.IDs) {
				t.Errorf("case %d: Encode(%q) = %v, want %v", c.ID, c.Text, got, c.IDs)
			}
		}
		for i, id := range c.IDs {
			if s := tok.TokenString(id); s != c.Tokens[i] {
				t.Errorf("case %d: TokenString(%d) = %q, want %q", c.ID, id, s, c.Tokens[i])
			}
		}
		if (tok.Decode(c.IDs, false) == c.Text) != c.Roundtrip {
			t.Errorf("case %d: round trip of %q is %v, want %v", c.ID, c.Text, !c.Roundtrip, c.Roundtrip)
		}
		checkDecode(t, tok, c)
	}
}

func TestGoldenDecode(t *testing.T) {
	tok := loadGolden(t, "tokenizer.json")
	var cases []goldenCase
	goldentest.JSON(t, &cases, goldentest.Path(t, "tokenizer", "decode_cases.json"))
	for _, c := range cases {
		checkDecode(t, tok, c)
	}
}

func checkDecode(t *testing.T, tok *Tokenizer, c goldenCase) {
	t.Helper()
	if got := tok.Decode(c.IDs, false); got != c.Decoded {
		t.Errorf("case %d: Decode(%v) = %q, want %q", c.ID, c.IDs, got, c.Decoded)
	}
	if got := tok.Decode(c.IDs, true); got != c.DecodedSkip {
		t.Errorf("case %d: Decode(%v, skip) = %q, want %q", c.ID, c.IDs, got, c.DecodedSkip)
	}
	if got := stream(tok, c.IDs, true); got != c.DecodedSkip {
		t.Errorf("case %d: streamed %q, want %q", c.ID, got, c.DecodedSkip)
	}
}

func stream(tok *Tokenizer, ids []int32, skip bool) string {
	d, out := tok.NewDecoder(skip), ""
	for _, id := range ids {
		out += d.Push(id)
	}
	return out + d.Flush()
}

// Each model's tokenizer encodes its own rendered chats.
func TestGoldenChatIDs(t *testing.T) {
	files := map[string]string{
		"OLMoE-1B-7B-0924-Instruct": "tokenizer.json",
		"OLMoE-1B-7B-0125-Instruct": "tokenizer_0125_inferred.json",
	}
	var cases []struct {
		Model, Text string
		IDs         []int32
	}
	goldentest.JSON(t, &cases, goldentest.Path(t, "chat", "chat_cases.json"))
	for _, c := range cases {
		tok := loadGolden(t, files[c.Model])
		if got := tok.Encode(c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("%s: Encode(%q) = %v, want %v", c.Model, c.Text, got, c.IDs)
		}
	}
}

func TestGoldenPromptTexts(t *testing.T) {
	tok := loadGolden(t, "tokenizer.json")
	var file struct {
		Prompts []struct {
			Name, Text string
			TokenIDs   []int32 `json:"token_ids"`
		}
	}
	goldentest.JSON(t, &file, goldentest.Path(t, "goldens", "small", "goldens.json"))
	for _, p := range file.Prompts {
		if got := tok.Encode(p.Text); p.Text != "" && !slices.Equal(got, p.TokenIDs) {
			t.Errorf("%s: Encode = %v, want %v", p.Name, got, p.TokenIDs)
		}
	}
}
