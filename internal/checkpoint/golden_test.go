package checkpoint_test

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func TestGoldenCheckpointsLoad(t *testing.T) {
	for _, name := range []string{"tiny", "tiny-f32", "tiny-sharded", "small"} {
		t.Run(name, func(t *testing.T) {
			c, err := checkpoint.Open(goldentest.Path(t, "checkpoints", name))
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
