package tokenizer

import "fmt"

// setPostProcessor accepts null, ByteLevel (which only trims offsets, so there
// is nothing to do), TemplateProcessing and Sequences of those.
func (t *Tokenizer) setPostProcessor(f *rawFile) error {
	if f.PostProcessor == nil {
		return nil
	}
	return t.addProcessor(*f.PostProcessor, "post_processor")
}

func (t *Tokenizer) addProcessor(c rawComponent, field string) error {
	switch c.Type {
	case "ByteLevel":
		return nil
	case "TemplateProcessing":
		return t.setTemplate(c, field)
	case "Sequence":
		for i, p := range c.Processors {
			if err := t.addProcessor(p, fmt.Sprintf("%s.processors[%d]", field, i)); err != nil {
				return err
			}
		}
		return nil
	}
	return unsupported(field, c, "ByteLevel, TemplateProcessing, Sequence or null")
}

// setTemplate reads the template for one text: special tokens around "$A".
func (t *Tokenizer) setTemplate(c rawComponent, field string) error {
	seen := false
	for i, p := range c.Single {
		switch {
		case p.Sequence != nil && !seen:
			seen = true
		case p.SpecialToken != nil:
			if err := t.addTemplateToken(c, p.SpecialToken.ID, seen); err != nil {
				return fmt.Errorf("%s.single[%d]: %w", field, i, err)
			}
		default:
			return fmt.Errorf("%s.single[%d]: neither a SpecialToken nor the one Sequence", field, i)
		}
	}
	if !seen {
		return fmt.Errorf("%s.single: no Sequence, so the text itself would be dropped", field)
	}
	return nil
}

func (t *Tokenizer) addTemplateToken(c rawComponent, name string, after bool) error {
	tok, ok := c.SpecialTokens[name]
	if !ok {
		return fmt.Errorf("token %q is not in special_tokens", name)
	}
	for _, id := range tok.IDs {
		if id < 0 || id > maxID || !t.known(int32(id)) {
			return fmt.Errorf("token %q: id %d is not in the vocabulary", name, id)
		}
		if after {
			t.suffix = append(t.suffix, int32(id))
		} else {
			t.prefix = append(t.prefix, int32(id))
		}
	}
	return nil
}
