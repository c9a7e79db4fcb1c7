package tokenizer

import (
	"errors"
	"fmt"
)

// setModel checks model and builds the merge tables.
func (t *Tokenizer) setModel(f *rawFile) error {
	m := f.Model
	if err := checkModel(m); err != nil {
		return err
	}
	t.model = bpe{unk: absent, fuseUnk: m.FuseUnk}
	if m.UnkToken != nil {
		id, ok := m.Vocab[*m.UnkToken]
		if !ok {
			return fmt.Errorf("model.unk_token: %q is not in model.vocab", *m.UnkToken)
		}
		t.model.unk = int32(id)
	}
	t.model.setBytes(m.Vocab)
	if m.IgnoreMerges {
		t.model.setWhole(m.Vocab)
	}
	return t.model.setMerges(m)
}

// bpeType: the oldest files name no type.
func bpeType(s string) bool { return s == "BPE" || s == "" }

func checkModel(m *rawModel) error {
	switch {
	case !bpeType(m.Type):
		return fmt.Errorf("model.type: %q is not supported (supported: BPE)", m.Type)
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("model.dropout: %v: random merges are not supported (set it to null)", *m.Dropout)
	case m.ByteFallback:
		return errors.New("model.byte_fallback: not supported; it is not used by byte-level tokenizers")
	case m.Prefix != "":
		return fmt.Errorf("model.continuing_subword_prefix: %q: not supported", m.Prefix)
	case m.Suffix != "":
		return fmt.Errorf("model.end_of_word_suffix: %q: not supported", m.Suffix)
	case len(m.Vocab) == 0:
		return errors.New("model.vocab: empty")
	}
	return nil
}

// setBytes finds the token of each byte. A byte without one becomes unk or is
// dropped, as in the reference; bytes that UTF-8 never uses often have none.
func (m *bpe) setBytes(vocab map[string]int64) {
	for b := range m.byteIDs {
		m.byteIDs[b] = absent
		if id, ok := vocab[string(byteChars[b])]; ok {
			m.byteIDs[b] = int32(id)
		}
	}
}

func (m *bpe) setWhole(vocab map[string]int64) {
	m.whole = make(map[string]int32, len(vocab))
	for s, id := range vocab {
		if b, ok := unspell(s); ok {
			m.whole[string(b)] = int32(id)
		}
	}
}

// setMerges enters the merge list; of two equal merges the later counts, as in
// the reference.
func (m *bpe) setMerges(raw *rawModel) error {
	m.merges = newMergeTable(len(raw.Merges))
	for i, g := range raw.Merges {
		if g.header {
			continue
		}
		left, okL := raw.Vocab[g.left]
		right, okR := raw.Vocab[g.right]
		id, ok := raw.Vocab[g.left+g.right]
		if !okL || !okR || !ok {
			return fmt.Errorf("model.merges[%d]: %q + %q: a part or the result is not in model.vocab", i, g.left, g.right)
		}
		m.merges.put(int32(left), int32(right), merge{rank: int32(i), id: int32(id)})
	}
	return nil
}
