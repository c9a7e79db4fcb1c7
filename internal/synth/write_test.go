package synth_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// edit changes a preset.
func edit(o synth.Options, f func(*synth.Options)) synth.Options {
	f(&o)
	return o
}

// Every variant must open as the model that was asked for, all weights finite.
func TestEveryVariantOpens(t *testing.T) {
	for name, change := range map[string]func(*synth.Options){
		"as it is": func(*synth.Options) {},
		"f16":      func(o *synth.Options) { o.DType = tensor.F16 },
		"f32":      func(o *synth.Options) { o.DType = tensor.F32 },
		"sharded":  func(o *synth.Options) { o.Shards = 4 },
		"gqa":      func(o *synth.Options) { o.KVHeads = 1 },
		"tied":     func(o *synth.Options) { o.Tied = true },
		"clipped":  func(o *synth.Options) { o.ClipQKV = 2.5 },
		"normed":   func(o *synth.Options) { o.NormTopKProb = true },
		"few":      func(o *synth.Options) { o.Experts, o.ExpertsPerTok, o.Layers = 3, 2, 1 },
		"theta":    func(o *synth.Options) { o.RopeTheta, o.RMSNormEps = 500000, 1e-6 },
	} {
		t.Run(name, func(t *testing.T) {
			o, dir := edit(synth.Tiny(), change), t.TempDir()
			if err := synth.Write(dir, o); err != nil {
				t.Fatal(err)
			}
			c, err := checkpoint.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if want := configOf(o); !reflect.DeepEqual(c.Config(), want) {
				t.Errorf("config\n%+v\nwant\n%+v", c.Config(), want)
			}
			loadAll(t, c)
		})
	}
}

// configOf is what a checkpoint made from o must read back as.
func configOf(o synth.Options) *checkpoint.Config {
	return &checkpoint.Config{
		HiddenSize: o.HiddenSize, NumLayers: o.Layers, NumHeads: o.Heads, NumKVHeads: o.KVHeads,
		HeadDim: o.HiddenSize / o.Heads, IntermediateSize: o.IntermediateSize,
		NumExperts: o.Experts, NumExpertsPerTok: o.ExpertsPerTok, VocabSize: o.VocabSize,
		MaxPositionEmbeddings: o.MaxPositions, RMSNormEps: float32(o.RMSNormEps), RopeTheta: o.RopeTheta,
		ClipQKV: float32(o.ClipQKV), NormTopKProb: o.NormTopKProb, TieWordEmbeddings: o.Tied,
		EOSTokenIDs: []int32{int32(o.EOSTokenID)},
		SavedDType:  map[tensor.DType]string{tensor.BF16: "bfloat16", tensor.F16: "float16", tensor.F32: "float32"}[o.DType],
	}
}

// loadAll reads every weight of the model.
func loadAll(t *testing.T, c *checkpoint.Checkpoint) {
	t.Helper()
	for _, spec := range c.Config().Tensors() {
		w, err := c.Tensor(spec.Name)
		if err == nil {
			err = c.Load(t.Context(), w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPresetSizes(t *testing.T) {
	for name, params := range map[string]int{"tiny": 1_721_408, "small": 25_757_824, "demo": 40_032_512, "full": 6_919_161_856} {
		o, err := synth.Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		h, kv := o.HiddenSize, o.HiddenSize/o.Heads*o.KVHeads
		layer := 3*h*o.IntermediateSize*o.Experts + o.Experts*h + 2*h*h + 2*kv*h + 3*h + kv
		if got := layer*o.Layers + 2*o.VocabSize*h + h; got != params {
			t.Errorf("%s has %d weights, want %d", name, got, params)
		}
	}
	if o := synth.Demo(); o.EOSTokenID != o.VocabSize-1 || o.Shards != 0 || !o.Legible {
		t.Errorf("demo is one file whose every token can be said, mostly words; got %+v", o)
	}
	if _, err := synth.Preset("huge"); err == nil || !strings.Contains(err.Error(), "huge") {
		t.Errorf("unknown preset: %v", err)
	}
}

func TestImpossibleOptionsAreRefused(t *testing.T) {
	for want, change := range map[string]func(*synth.Options){
		"dtype DType(9)":            func(o *synth.Options) { o.DType = 9 },
		"shards is -1":              func(o *synth.Options) { o.Shards = -1 },
		"outside the vocabulary":    func(o *synth.Options) { o.EOSTokenID = o.VocabSize },
		"no room for a tokenizer":   func(o *synth.Options) { o.EOSTokenID = 282 },
		"at most":                   func(o *synth.Options) { o.VocabSize, o.EOSTokenID = 3_000_000, 2_999_999 },
		"field num_attention_heads": func(o *synth.Options) { o.Heads = 3 },
		"field num_key_value_heads": func(o *synth.Options) { o.KVHeads = 3 },
		"field hidden_size":         func(o *synth.Options) { o.HiddenSize = 0 },
		"field num_experts_per_tok": func(o *synth.Options) { o.ExpertsPerTok = 65 },
		"field rms_norm_eps":        func(o *synth.Options) { o.RMSNormEps = 0 },
		"field clip_qkv":            func(o *synth.Options) { o.ClipQKV = -1 },
		"field num_hidden_layers":   func(o *synth.Options) { o.Layers = 100_000 },
	} {
		dir := filepath.Join(t.TempDir(), "model")
		if err := synth.Write(dir, edit(synth.Tiny(), change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %q", err, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "model.safetensors")); err == nil {
			t.Errorf("%s: weights written all the same", want)
		}
	}
}

func TestFailedWriteLeavesNoWeightsFile(t *testing.T) {
	dir := t.TempDir()
	// A directory with the weights' name makes the final rename fail.
	if err := os.MkdirAll(filepath.Join(dir, "model.safetensors", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := synth.Write(dir, synth.Tiny()); err == nil {
		t.Fatal("no error")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A disk that is full leaves no half of a file under the weights' name.
func TestWriteToAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "model.safetensors.tmp")); err != nil {
		t.Skip(err)
	}
	if err := synth.Write(dir, synth.Tiny()); err == nil || !strings.Contains(err.Error(), "model.safetensors: ") {
		t.Errorf("error %v, want one that names the file", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "model.safetensors")); err == nil {
		t.Error("weights are there")
	}
}

func TestSameOptionsMakeTheSameModel(t *testing.T) {
	sums := map[string]int{}
	for i, seed := range []uint64{1, 1, 2} {
		dir := t.TempDir()
		if err := synth.Write(dir, edit(synth.Tiny(), func(o *synth.Options) { o.Seed = seed })); err != nil {
			t.Fatal(err)
		}
		c, err := checkpoint.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		sums[fmt.Sprint(seed, c.Fingerprint())] = i
		_ = c.Close()
	}
	if len(sums) != 2 {
		t.Errorf("fingerprints %v, want one for each of two seeds", sums)
	}
}
