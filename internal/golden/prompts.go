package golden

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// Prompts is a file of prompts; its other fields are ignored.
type Prompts struct {
	Prompts []Prompt `json:"prompts"`
}

// Prompt is one entry of a prompts file.
type Prompt struct {
	Name     string  `json:"name"`
	TokenIDs []int32 `json:"token_ids"`
}

// maxName is what file systems allow, less the ending of the file with the results.
const maxName = 255 - len(".safetensors")

// Check refuses prompts that a model cannot compute or whose results have no place.
func (f *Prompts) Check(model *checkpoint.Config) error {
	seen := map[string]bool{}
	for i, p := range f.Prompts {
		switch {
		case p.Name == "" || p.Name != filepath.Base(p.Name) || p.Name == ".." || p.Name == "." || strings.ContainsRune(p.Name, 0) || len(p.Name) > maxName:
			return fmt.Errorf("prompts[%d].name %q: give a name that can be a file name, of at most %d bytes", i, p.Name, maxName)
		case seen[p.Name]:
			return fmt.Errorf("prompts[%d].name %q stands twice", i, p.Name)
		}
		seen[p.Name] = true
		if err := p.check(model); err != nil {
			return fmt.Errorf("prompts[%d].token_ids %w", i, err)
		}
	}
	if len(f.Prompts) == 0 {
		return errors.New("prompts is empty")
	}
	return nil
}

func (p *Prompt) check(model *checkpoint.Config) error {
	switch n := len(p.TokenIDs); {
	case n == 0:
		return errors.New("is empty")
	case n > model.MaxPositionEmbeddings:
		return fmt.Errorf("has %d tokens, more than the %d of the model's context", n, model.MaxPositionEmbeddings)
	}
	for i, id := range p.TokenIDs {
		if id < 0 || int(id) >= model.VocabSize {
			return fmt.Errorf("has %d at index %d, which is not between 0 and %d", id, i, model.VocabSize-1)
		}
	}
	return nil
}
