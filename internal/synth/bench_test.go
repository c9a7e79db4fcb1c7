package synth

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// BenchmarkFill is the speed of one core; writing 13.8 GB takes twice that on
// two, or what the disk needs.
func BenchmarkFill(b *testing.B) {
	c, err := checkpoint.ParseConfig("config.json", []byte(configJSON(Full())))
	if err != nil {
		b.Fatal(err)
	}
	_, _, down := checkpoint.ExpertTensorNames(0, 0)
	spec := checkpoint.Spec{Name: down, Shape: []int{2048, 1024}}
	for _, d := range []tensor.DType{tensor.BF16, tensor.F16, tensor.F32} {
		b.Run(d.String(), func(b *testing.B) {
			buf := make([]byte, 2048*1024*d.Size())
			b.SetBytes(int64(len(buf)))
			tabs := tables{}
			for b.Loop() {
				src := newSource(spec, c, d, DefaultSeed)
				tabs.use(&src, len(buf)/d.Size())
				src.fill(buf, 0)
			}
		})
	}
}
