package checkpoint_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// golden finds a reference checkpoint that may lie beside the repository.
func golden(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "golden", "checkpoints", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("reference checkpoint %s is not here", name)
	}
	return dir
}

func TestGoldenCheckpointsLoad(t *testing.T) {
	for _, name := range []string{"tiny", "tiny-f32", "tiny-sharded", "small"} {
		t.Run(name, func(t *testing.T) {
			c, err := checkpoint.Open(golden(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if err := c.Load(t.Context(), all(t, c)...); err != nil {
				t.Error(err)
			}
		})
	}
}

// all lists every tensor of the model.
func all(t testing.TB, c *checkpoint.Checkpoint) []tensor.Tensor {
	t.Helper()
	var list []tensor.Tensor
	for _, spec := range c.Config().Tensors() {
		got, err := c.Tensor(spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, got)
	}
	return list
}
