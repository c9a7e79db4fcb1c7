package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxID bounds token ids, because tables are indexed by them: the largest
// published vocabularies have 262,144 ids.
const maxID = 1<<20 - 1

// Parse builds a Tokenizer from the content of a tokenizer.json. What it does
// not support it refuses, naming the field: a tokenizer that is nearly right
// gives wrong tokens without a sign.
func Parse(data []byte) (*Tokenizer, error) {
	var f rawFile
	if err := json.Unmarshal(data, &f); err != nil {
		if f.Model != nil && !bpeType(f.Model.Type) { // other models' fields have other types
			return nil, checkModel(f.Model)
		}
		return nil, fmt.Errorf("not a tokenizer.json: %w", err)
	}
	if f.Model == nil {
		return nil, errors.New("model: missing")
	}
	t := &Tokenizer{cache: newWordCache()}
	steps := []func(*rawFile) error{
		t.setNormalizer, t.setPreTokenizer, t.setDecoder, t.setVocab, t.setModel, t.setAdded, t.setPostProcessor,
	}
	for _, step := range steps {
		if err := step(&f); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// setVocab fills the tables of ids from model.vocab and added_tokens.
func (t *Tokenizer) setVocab(f *rawFile) error {
	t.vocab = make(map[string]int32, len(f.Model.Vocab)+len(f.AddedTokens))
	for s, id := range f.Model.Vocab {
		b, _ := unspell(s)
		if err := t.addToken(s, id, b); err != nil {
			return fmt.Errorf("model.vocab: %w", err)
		}
	}
	for i, a := range f.AddedTokens {
		if err := t.addAdded(a); err != nil {
			return fmt.Errorf("added_tokens[%d]: %w", i, err)
		}
	}
	return nil
}

func (t *Tokenizer) addToken(s string, id int64, b []byte) error {
	if id < 0 || id > maxID {
		return fmt.Errorf("token %q has id %d, not within 0..%d", s, id, maxID)
	}
	t.grow(int(id) + 1)
	if t.bytes[id] != nil {
		return fmt.Errorf("tokens %q and %q both have id %d", t.spell[id], s, id)
	}
	t.vocab[s], t.spell[id], t.bytes[id] = int32(id), s, b
	return nil
}

func (t *Tokenizer) grow(n int) {
	if more := n - len(t.spell); more > 0 {
		t.spell = append(t.spell, make([]string, more)...)
		t.bytes = append(t.bytes, make([][]byte, more)...)
		t.special = append(t.special, make([]bool, more)...)
	}
}

// addAdded enters one added token. It stands for its own text, however
// model.vocab spells bytes.
func (t *Tokenizer) addAdded(a rawAdded) error {
	if a.Content == "" {
		return errors.New("content is empty")
	}
	id, ok := t.vocab[a.Content]
	if ok && int64(id) != a.ID {
		return fmt.Errorf("token %q has id %d here and id %d elsewhere", a.Content, a.ID, id)
	}
	if !ok {
		if err := t.addToken(a.Content, a.ID, nil); err != nil {
			return err
		}
	}
	t.bytes[a.ID], t.special[a.ID] = []byte(a.Content), a.Special
	return nil
}

// setAdded builds the two sets of added tokens: those matched in the raw text
// and those matched after normalizing, whose own text is normalized too.
func (t *Tokenizer) setAdded(f *rawFile) error {
	var before, after []addedToken
	for _, a := range f.AddedTokens {
		tok := addedToken{a.Content, int32(a.ID), a.SingleWord, a.LStrip, a.RStrip}
		normalized := !a.Special
		if a.Normalized != nil {
			normalized = *a.Normalized
		}
		if !normalized {
			before = append(before, tok)
			continue
		}
		if t.nfc {
			tok.text = nfc(tok.text)
		}
		after = append(after, tok)
	}
	t.before, t.after = newAddedSet(before), newAddedSet(after)
	return nil
}
