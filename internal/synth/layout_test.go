package synth

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

func TestSplitKeepsOrderAndFillsShardsEvenly(t *testing.T) {
	o := Tiny()
	c, err := checkpoint.ParseConfig("config.json", []byte(configJSON(o)))
	if err != nil {
		t.Fatal(err)
	}
	specs := c.Tensors()
	var total int64
	for _, s := range specs {
		total += bytesOf(s, o.DType)
	}
	for _, o.Shards = range []int{0, 1, 2, 3, 7} {
		files := split(specs, o)
		if len(files) != max(1, o.Shards) {
			t.Errorf("%d shards asked for, %d made", o.Shards, len(files))
		}
		i := 0
		for _, f := range files {
			var size int64
			for _, s := range f.specs {
				if s.Name != specs[i].Name {
					t.Fatalf("tensor %d is %s, want %s", i, s.Name, specs[i].Name)
				}
				size += bytesOf(s, o.DType)
				i++
			}
			if share := total / int64(len(files)); size > share*3/2 || size < share/2 {
				t.Errorf("%d shards: %s has %d bytes, an equal share is %d", o.Shards, f.name, size, share)
			}
		}
		if i != len(specs) {
			t.Errorf("%d shards hold %d of %d tensors", o.Shards, i, len(specs))
		}
	}
}

func TestMoreShardsThanTensorsLeavesNoneEmpty(t *testing.T) {
	specs := []checkpoint.Spec{{Name: "a", Shape: []int{4}}, {Name: "b", Shape: []int{4}}}
	files := split(specs, Options{Shards: 5, DType: tensor.BF16})
	if len(files) != 2 || len(files[0].specs) != 1 || len(files[1].specs) != 1 {
		t.Errorf("got %v", files)
	}
}

func TestHeaderEndsAtAnAlignedOffset(t *testing.T) {
	for n := range 70 {
		f := shardFile{specs: []checkpoint.Spec{{Name: string(make([]byte, n)), Shape: []int{1}}}}
		if got := len(f.header(tensor.F32)); got%headerAlign != 0 {
			t.Errorf("name of %d bytes: the data starts at %d", n, got)
		}
	}
}

func TestFloatsReadAsPythonWritesThem(t *testing.T) {
	for x, want := range map[float64]string{10000: "10000.0", 1e-5: "1e-05", 0.02: "0.02", 8: "8.0", 0: "0.0", 1e16: "1e+16", 500000: "500000.0"} {
		if got := float(x); got != want {
			t.Errorf("%v is written %s, want %s", x, got, want)
		}
	}
}
