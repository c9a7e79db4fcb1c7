package golden

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Prompt is one entry of a prompts file.
type Prompt struct {
	Name     string  `json:"name"`
	TokenIDs []int32 `json:"token_ids"`
}

// ReadPrompts reads a file with prompts[], each with name and token_ids; other
// fields are ignored.
func ReadPrompts(path string) ([]Prompt, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	var f struct {
		Prompts []Prompt `json:"prompts"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	seen := map[string]bool{}
	for i, p := range f.Prompts {
		switch {
		case p.Name == "" || p.Name != filepath.Base(p.Name) || p.Name == ".." || p.Name == ".":
			return nil, fmt.Errorf("%s: prompts[%d].name %q: give a name that can be a file name", path, i, p.Name)
		case seen[p.Name]:
			return nil, fmt.Errorf("%s: prompts[%d].name %q stands twice", path, i, p.Name)
		case len(p.TokenIDs) == 0:
			return nil, fmt.Errorf("%s: prompts[%d].token_ids is empty", path, i)
		}
		seen[p.Name] = true
	}
	if len(f.Prompts) == 0 {
		return nil, fmt.Errorf("%s: prompts is empty", path)
	}
	return f.Prompts, nil
}
