// Package synthtest damages checkpoints, for tests of what refuses them.
package synthtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// Spoil makes one element of a tensor NaN: a model that must be refused.
func Spoil(dir, name string, element int) error {
	ck, err := checkpoint.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = ck.Close() }()
	t, err := ck.Tensor(name)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		return err
	}
	for _, path := range files {
		b, err := os.ReadFile(path) //nolint:gosec // a model of our own
		if err != nil {
			return err
		}
		if at := bytes.Index(b, t.Data); at >= 0 {
			size := t.DType.Size()
			copy(b[at+element*size:], bytes.Repeat([]byte{0xff}, size)) // NaN in every type
			return os.WriteFile(path, b, 0o600)                         //nolint:gosec // the same
		}
	}
	return fmt.Errorf("%s: tensor %s: no file holds it", dir, name)
}
