package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// maxShards bounds the files of one checkpoint, each of which stays open. The
// published ones have 3 (bf16) and 6 (f32).
const maxShards = 512

// layout says in which files of the directory the tensors are.
type layout struct {
	files  []string          // base names, sorted
	source string            // path of what promises the tensors: the index, or the single file
	home   map[string]string // tensor -> file; nil for a single file
}

// findLayout prefers the single file, as transformers does.
func findLayout(dir string) (*layout, error) {
	single := filepath.Join(dir, singleFile)
	if _, err := os.Lstat(single); err == nil { // also a link to nothing, so that it is told
		return &layout{files: []string{singleFile}, source: single}, nil
	}
	path := filepath.Join(dir, indexFile)
	raw, err := ReadFile(path, maxIndexBytes)
	if errors.Is(err, ErrNotFound) {
		return nil, &Error{Kind: ErrNotFound, Path: dir, Problem: fmt.Sprintf("holds neither %s nor %s", singleFile, indexFile)}
	}
	if err != nil {
		return nil, err
	}
	return parseIndex(path, raw)
}

// parseIndex reads model.safetensors.index.json: {"weight_map": {tensor: file}}.
func parseIndex(path string, raw []byte) (*layout, error) {
	f, err := newFields(path, raw)
	if err != nil {
		return nil, err
	}
	if !f.has("weight_map") {
		return nil, fieldError(path, "weight_map", "is missing")
	}
	members, err := parseObject(f.raw["weight_map"])
	if err != nil {
		return nil, fieldError(path, "weight_map", err.Error())
	}
	l := &layout{source: path, home: map[string]string{}}
	for _, m := range members {
		var file string
		if json.Unmarshal(m.value, &file) != nil || !plainName(file) {
			return nil, fieldError(path, "weight_map", fmt.Sprintf("tensor %s is in %s, want the plain name of a file beside the index", m.name, clip(m.value)))
		}
		l.home[m.name] = file
		if i, found := slices.BinarySearch(l.files, file); !found {
			l.files = slices.Insert(l.files, i, file)
		}
		if len(l.files) > maxShards {
			return nil, fieldError(path, "weight_map", fmt.Sprintf("names more than %d files", maxShards))
		}
	}
	return l, nil
}

// plainName reports whether a name from the index stays inside the directory.
// The file may be a symbolic link, as in the Hugging Face cache.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && filepath.IsLocal(name) && filepath.Base(name) == name
}
