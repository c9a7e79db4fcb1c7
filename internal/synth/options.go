// Package synth writes synthetic OLMoE checkpoints in the exact Hugging Face
// layout: weights from a seed by integer arithmetic, so that any size can be
// made again anywhere, and optionally a small tokenizer and chat template so
// that the model serves chat. The text it generates means nothing.
package synth

import (
	"fmt"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Options describe a checkpoint. Start from a preset and change fields.
type Options struct {
	HiddenSize       int
	Layers           int
	Heads            int
	KVHeads          int
	IntermediateSize int // of one expert
	Experts          int // per layer
	ExpertsPerTok    int
	VocabSize        int
	MaxPositions     int
	RMSNormEps       float64
	RopeTheta        float64
	ClipQKV          float64 // 0 = null
	NormTopKProb     bool
	Tied             bool // the output matrix is the embedding
	EOSTokenID       int
	DType            tensor.DType
	Shards           int    // 0 = one file without an index
	Seed             uint64 // DefaultSeed makes the reference checkpoints' weights
	Tokenizer        bool   // also write tokenizer files with EOSTokenID+1 tokens
	// Legible makes generated text mostly whole words, for showing. It needs a
	// tokenizer and an output matrix of its own, and does nothing without.
	Legible bool
}

// DefaultSeed is the seed of the reference checkpoints.
const DefaultSeed = 0x4F4C4D6F45303932 // "OLMoE092"

// Full has the sizes of OLMoE-1B-7B: 6.9 B weights, 13.8 GB in bf16.
func Full() Options {
	return Options{
		HiddenSize: 2048, Layers: 16, Heads: 16, KVHeads: 16, IntermediateSize: 1024,
		Experts: 64, ExpertsPerTok: 8, VocabSize: 50304, MaxPositions: 4096,
		RMSNormEps: 1e-5, RopeTheta: 10000, EOSTokenID: 50279,
		DType: tensor.BF16, Shards: 3, Seed: DefaultSeed, Tokenizer: true,
	}
}

// Tiny is for unit tests: 4 layers of 64 experts, hidden 64, vocabulary 512;
// 3.5 MB. Its weights are those of the reference checkpoint tiny.
func Tiny() Options {
	o := Full()
	o.HiddenSize, o.Layers, o.Heads, o.KVHeads, o.IntermediateSize = 64, 4, 4, 4, 32
	o.VocabSize, o.MaxPositions, o.EOSTokenID, o.Shards = 512, 2048, 511, 0
	return o
}

// Small is 4 layers, hidden 128, with the full vocabulary; 52 MB. Its weights
// are those of the reference checkpoint small; its tokenizer is our own.
func Small() Options {
	o := Full()
	o.HiddenSize, o.Layers, o.Heads, o.KVHeads, o.IntermediateSize, o.Shards = 128, 4, 4, 4, 128, 0
	return o
}

// Demo is a model to look at in a cluster: 6 layers of 64 experts, hidden 256,
// with a vocabulary of words, all learned from the corpus; 80 MB.
func Demo() Options {
	o := Full()
	o.HiddenSize, o.Layers, o.Heads, o.KVHeads, o.IntermediateSize = 256, 6, 4, 4, 128
	o.VocabSize, o.EOSTokenID, o.Shards, o.Legible = 1184, 1183, 0, true
	return o
}

var presets = map[string]func() Options{"tiny": Tiny, "small": Small, "demo": Demo, "full": Full}

// Presets lists the names that Preset knows.
func Presets() []string { return []string{"tiny", "small", "demo", "full"} }

// Preset finds a preset by name.
func Preset(name string) (Options, error) {
	p, ok := presets[name]
	if !ok {
		return Options{}, fmt.Errorf("preset %q is unknown, want one of %v", name, Presets())
	}
	return p(), nil
}

// check refuses what the config file cannot express or the generator cannot
// make; sizes are checked by reading the config back.
func (o Options) check() error {
	switch {
	case !slices.Contains([]tensor.DType{tensor.BF16, tensor.F16, tensor.F32}, o.DType):
		return fmt.Errorf("dtype %v is unknown, want BF16, F16 or F32", o.DType)
	case o.Shards < 0 || o.Shards > maxShards:
		return fmt.Errorf("shards is %d, want 0 to %d", o.Shards, maxShards)
	case o.EOSTokenID < 0 || o.EOSTokenID >= o.VocabSize:
		return fmt.Errorf("end-of-text id %d is outside the vocabulary of %d", o.EOSTokenID, o.VocabSize)
	case o.Tokenizer && o.EOSTokenID+1 < minTokens:
		return fmt.Errorf("end-of-text id %d leaves no room for a tokenizer, which has at least %d tokens", o.EOSTokenID, minTokens)
	}
	return nil
}

// maxShards bounds the open files; readers of our own take 512.
const maxShards = 512
