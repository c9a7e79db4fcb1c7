package tokenizer

import "fmt"

// setNormalizer accepts null, NFC and Sequences of those.
func (t *Tokenizer) setNormalizer(f *rawFile) error {
	if f.Normalizer == nil {
		return nil
	}
	return t.addNormalizer(*f.Normalizer, "normalizer")
}

func (t *Tokenizer) addNormalizer(c rawComponent, field string) error {
	switch c.Type {
	case "NFC":
		t.nfc = true
		return nil
	case "Sequence":
		for i, n := range c.Normalizers {
			if err := t.addNormalizer(n, fmt.Sprintf("%s.normalizers[%d]", field, i)); err != nil {
				return err
			}
		}
		return nil
	}
	return unsupported(field, c, "NFC, Sequence or null")
}

// setPreTokenizer accepts ByteLevel, and a Sequence of an optional Split by the
// GPT-2 pattern and a ByteLevel.
func (t *Tokenizer) setPreTokenizer(f *rawFile) error {
	if f.PreTokenizer == nil {
		return fmt.Errorf("pre_tokenizer: missing; only byte-level tokenizers are supported (ByteLevel)")
	}
	parts, field := []rawComponent{*f.PreTokenizer}, "pre_tokenizer"
	if f.PreTokenizer.Type == "Sequence" {
		parts, field = f.PreTokenizer.PreTokenizers, "pre_tokenizer.pretokenizers"
	}
	if len(parts) == 2 {
		if err := t.setSplit(parts[0]); err != nil {
			return err
		}
		parts = parts[1:]
	}
	if len(parts) != 1 {
		return fmt.Errorf("%s: must end with ByteLevel and have at most a Split before it", field)
	}
	return t.setByteLevel(parts[0], field)
}

func (t *Tokenizer) setByteLevel(c rawComponent, field string) error {
	if c.Type != "ByteLevel" {
		return unsupported(field, c, "ByteLevel")
	}
	if t.split && orTrue(c.AddPrefixSpace) {
		return fmt.Errorf("%s: ByteLevel with add_prefix_space after a Split is not supported", field)
	}
	// The pattern cuts a word of its own into that same word, so a Split and
	// use_regex together are one split.
	t.split = t.split || orTrue(c.UseRegex)
	t.prefixSpace = orTrue(c.AddPrefixSpace)
	return nil
}

func (t *Tokenizer) setSplit(c rawComponent) error {
	const field = "pre_tokenizer.pretokenizers[0]"
	if c.Type != "Split" {
		return unsupported(field, c, "Split")
	}
	if c.Pattern.Regex == nil || *c.Pattern.Regex != gpt2Pattern {
		return fmt.Errorf("%s.pattern: only GPT-2's regular expression is supported: %s", field, gpt2Pattern)
	}
	if c.Behavior != "Isolated" || c.Invert {
		return fmt.Errorf("%s: behavior %q, invert %v: only Isolated, not inverted, is supported", field, c.Behavior, c.Invert)
	}
	t.split = true
	return nil
}

// setDecoder accepts ByteLevel only: TokenBytes relies on it.
func (t *Tokenizer) setDecoder(f *rawFile) error {
	if f.Decoder == nil {
		return fmt.Errorf("decoder: missing; only ByteLevel is supported")
	}
	if f.Decoder.Type != "ByteLevel" {
		return unsupported("decoder", *f.Decoder, "ByteLevel")
	}
	return nil
}

func unsupported(field string, c rawComponent, known string) error {
	return fmt.Errorf("%s.type: %q is not supported (supported: %s)", field, c.Type, known)
}
