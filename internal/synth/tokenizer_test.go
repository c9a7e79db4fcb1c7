package synth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
)

// small sizes, so that the tests are about the tokenizer.
func vocab(n int) synth.Options {
	return edit(synth.Tiny(), func(o *synth.Options) {
		o.Layers, o.Experts, o.ExpertsPerTok, o.VocabSize, o.EOSTokenID = 1, 1, 1, n, n-1
	})
}

// written writes a model and loads its tokenizer.
func written(t *testing.T, o synth.Options) (string, *tokenizer.Tokenizer) {
	t.Helper()
	dir := t.TempDir()
	if err := synth.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, tok
}

// Whatever the vocabulary, every id must have a text, the last one must end the
// text, and any text must come back.
func TestTokenizerOfAnySize(t *testing.T) {
	corpus, err := os.ReadFile("corpus.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{284, 285, 512, 1024, 5000, 50280} {
		_, tok := written(t, vocab(n))
		for id := range int32(n) {
			if tok.TokenString(id) == "" {
				t.Errorf("%d tokens: id %d has no text", n, id)
			}
		}
		if end := tok.TokenString(int32(n - 1)); end != "<|endoftext|>" {
			t.Errorf("%d tokens: the last one is %q", n, end)
		}
		for _, text := range []string{string(corpus), "über 日本 \x01\t\n  x", "a  b    c<|endoftext|>"} {
			if got := tok.Decode(tok.Encode(text), false); got != text {
				t.Errorf("%d tokens: %.40q comes back as %.40q", n, text, got)
			}
		}
	}
}

// Learned merges must shorten English, and made-up words must not get in their way.
func TestMergesShortenText(t *testing.T) {
	const text = "What is your name? The cooks went home, and the town was quiet."
	_, tiny := written(t, vocab(512))
	_, demo := written(t, vocab(1024))
	_, large := written(t, vocab(5000))
	for name, c := range map[string]struct{ got, most int }{
		"512":  {len(tiny.Encode(text)), 36},
		"1024": {len(demo.Encode(text)), 22},
		"5000": {len(large.Encode(text)), 20},
	} {
		if c.got > c.most {
			t.Errorf("%s tokens: %d ids for %d bytes, want at most %d", name, c.got, len(text), c.most)
		}
	}
}

func TestChatTemplate(t *testing.T) {
	dir, tok := written(t, vocab(1024))
	tmpl, err := chat.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tmpl.Render([]chat.Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "Hello"},
		{Role: "assistant", Content: "Hi"},
		{Role: "user", Content: "Bye"},
	}, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "<|endoftext|><|system|>\nBe brief.\n<|user|>\nHello\n<|assistant|>\nHi<|endoftext|>\n<|user|>\nBye\n<|assistant|>\n"
	if text != want {
		t.Errorf("rendered %q\nwant     %q", text, want)
	}
	ids := tok.Encode(text)
	if ids[0] != 1023 || strings.Contains(tok.Decode(ids, true), "endoftext") {
		t.Error("the template's end-of-text marks are not special tokens")
	}
}

func TestWithoutTokenizer(t *testing.T) {
	dir := t.TempDir()
	if err := synth.Write(dir, edit(vocab(20), func(o *synth.Options) { o.Tokenizer = false })); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "*token*")); len(found) > 0 {
		t.Errorf("written all the same: %v", found)
	}
}

// Legible changes the output matrix, and only that: rows of words stay as they
// are, all others shrink.
func TestLegibleShrinksRowsThatAreNoWords(t *testing.T) {
	o := vocab(1024)
	plainDir, tok := written(t, o)
	o.Legible = true
	legibleDir, _ := written(t, o)
	plain, legible := opened(t, plainDir), opened(t, legibleDir)
	for _, spec := range plain.Config().Tensors() {
		a, b := data(t, plain, spec.Name), data(t, legible, spec.Name)
		if spec.Name != checkpoint.LMHead && a != b {
			t.Errorf("%s differs", spec.Name)
		}
	}
	a, b := data(t, plain, checkpoint.LMHead), data(t, legible, checkpoint.LMHead)
	row := len(a) / 1024
	for text, same := range map[string]bool{" the": true, " a": true, ".": true, "ing": false, " th": false, "\x01": false, "  ": false, "é": false} {
		for _, id := range tok.Encode(text) {
			if got := a[int(id)*row:int(id+1)*row] == b[int(id)*row:int(id+1)*row]; got != same {
				t.Errorf("%q: the row of token %d stays the same: %v, want %v", text, id, got, same)
			}
		}
	}
}

func opened(t *testing.T, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func data(t *testing.T, c *checkpoint.Checkpoint, name string) string {
	t.Helper()
	w, err := c.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.Data)
}
