package tokenizer

// Encode is the token ids of text, without what post_processor would add.
// Added tokens in the text are parsed as such, special ones too. Text that is
// not UTF-8 is first repaired by ValidUTF8. Time is n log n in the length at
// worst, linear for ordinary text.
func (t *Tokenizer) Encode(text string) []int32 {
	text = ValidUTF8(text)
	ids := make([]int32, 0, len(text)/4+4)
	t.before.cut(text, func(part string, id int32) {
		if id != absent {
			ids = append(ids, id)
			return
		}
		if t.nfc {
			part = nfc(part)
		}
		t.after.cut(part, func(piece string, id int32) {
			if id != absent {
				ids = append(ids, id)
				return
			}
			ids = t.appendPiece(ids, piece)
		})
	})
	return ids
}

// EncodeSpecial is Encode with the tokens that a TemplateProcessing
// post_processor puts around one text (its bos, eos). OLMo's has none, so there
// it equals Encode. For completions prompts; never for a rendered chat, whose
// template writes them itself.
func (t *Tokenizer) EncodeSpecial(text string) []int32 {
	ids := append([]int32(nil), t.prefix...)
	return append(append(ids, t.Encode(text)...), t.suffix...)
}

// appendPiece encodes text that holds no added token.
func (t *Tokenizer) appendPiece(ids []int32, piece string) []int32 {
	if t.prefixSpace && piece[0] != ' ' {
		piece = " " + piece
	}
	for len(piece) > 0 {
		n := len(piece)
		if t.split {
			n = nextWord(piece)
		}
		ids = t.appendWord(ids, piece[:n])
		piece = piece[n:]
	}
	return ids
}

func (t *Tokenizer) appendWord(ids []int32, word string) []int32 {
	if len(word) > maxCachedWord {
		return append(ids, t.model.word(word)...)
	}
	if known, ok := t.cache.get(word); ok {
		return append(ids, known...)
	}
	fresh := t.model.word(word)
	t.cache.put(word, fresh)
	return append(ids, fresh...)
}
