package checkpoint

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
)

// Files of a checkpoint directory.
const (
	configFile     = "config.json"
	generationFile = "generation_config.json"
	singleFile     = "model.safetensors"
	indexFile      = "model.safetensors.index.json"
)

const (
	defaultEOS   = 50279
	maxEOSIDs    = 64      // the published checkpoints have one
	maxTokenID   = 1 << 31 // ids are int32
	architecture = "OlmoeForCausalLM"
)

// checkDir tells a missing directory from a missing file in it.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return openError(dir, err)
	}
	if !info.IsDir() {
		return fileError(dir, "is not a directory; give the directory that holds config.json", nil)
	}
	return nil
}

// checkArchitecture refuses models, and variants of OLMoE, that this engine
// does not compute: a wrong answer is worse than none.
func checkArchitecture(f *fields) {
	if !f.has("model_type") && !slices.Contains(readStrings(f, "architectures"), architecture) {
		f.fail("model_type", "is missing, want \"olmoe\"")
	}
	if t := f.text("model_type", "olmoe"); t != "olmoe" {
		f.fail("model_type", "is %q, want \"olmoe\"", t)
	}
	// "swish" is another name of the same function in transformers.
	if act := f.text("hidden_act", "silu"); act != "silu" && act != "swish" {
		f.fail("hidden_act", "is %q; only silu is supported", act)
	}
	if f.boolean("attention_bias") {
		f.fail("attention_bias", "is true; attention with biases is not supported")
	}
	if f.has("quantization_config") {
		f.fail("quantization_config", "is set; give a checkpoint with bf16, f16 or f32 weights")
	}
}

// readStrings reads a list of strings; nil if it is absent or something else.
func readStrings(f *fields, name string) []string {
	var list []string
	if f.has(name) && json.Unmarshal(f.raw[name], &list) != nil {
		f.fail(name, "is %s, want a list of strings", clip(f.raw[name]))
	}
	return list
}

// readNumExperts accepts transformers' second name of the field.
func readNumExperts(f *fields) int {
	def := f.size("num_local_experts", 64, maxExperts)
	return f.size("num_experts", def, maxExperts)
}

// readRopeTheta finds the base of the rotary embedding: in rope_parameters
// since transformers 5, a field of its own before. Where both are given the
// nested one counts, as in transformers. Scaled variants are refused.
func readRopeTheta(f *fields) float64 {
	theta := f.positive("rope_theta", 10000)
	checkPartialRotary(f, f)
	for _, name := range []string{"rope_parameters", "rope_scaling"} {
		sub := f.object(name)
		if sub == nil {
			continue
		}
		kind := sub.text("rope_type", sub.text("type", "default"))
		if kind != "default" {
			f.fail(name, "has rope_type %q; only \"default\" is supported", kind)
		}
		checkPartialRotary(f, sub)
		theta = sub.positive("rope_theta", theta)
		if f.err == nil {
			f.err = sub.err
		}
	}
	return theta
}

// checkPartialRotary refuses rotation of a part of each head.
func checkPartialRotary(f, in *fields) {
	if in.has("partial_rotary_factor") && in.positive("partial_rotary_factor", 1) != 1 {
		f.fail("partial_rotary_factor", "is %s; OLMoE rotates whole heads", clip(in.raw["partial_rotary_factor"]))
	}
}

// readEOS reads eos_token_id: one id, a list, or null for none.
func readEOS(f *fields, vocab int, def int32) []int32 {
	raw, ok := f.raw["eos_token_id"]
	switch {
	case !ok:
		return inVocab([]int64{int64(def)}, vocab)
	case string(raw) == "null":
		return nil
	}
	var one int64
	var list []int64
	if json.Unmarshal(raw, &one) == nil {
		list = []int64{one}
	} else if json.Unmarshal(raw, &list) != nil {
		f.fail("eos_token_id", "is %s, want a token id or a list of them", clip(raw))
	}
	if len(list) > maxEOSIDs {
		f.fail("eos_token_id", "lists %d ids, more than %d", len(list), maxEOSIDs)
	}
	for _, id := range list {
		if id < 0 || id >= maxTokenID {
			f.fail("eos_token_id", "holds %d, which is no token id", id)
		}
	}
	return inVocab(list, vocab)
}

// inVocab keeps the ids that the model can produce.
func inVocab(ids []int64, vocab int) []int32 {
	var kept []int32
	for _, id := range ids {
		if id >= 0 && id < int64(vocab) {
			kept = append(kept, int32(id))
		}
	}
	return kept
}

// mergeGeneration adds the end-of-text ids of generation_config.json, where
// Instruct checkpoints may list more than config.json does.
func (c *Config) mergeGeneration(path string) error {
	raw, err := ReadFile(path, maxConfigBytes)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := newFields(path, raw)
	if err != nil {
		return err
	}
	if !f.has("eos_token_id") {
		return nil
	}
	for _, id := range readEOS(f, c.VocabSize, 0) {
		if !slices.Contains(c.EOSTokenIDs, id) {
			c.EOSTokenIDs = append(c.EOSTokenIDs, id)
		}
	}
	return f.err
}
