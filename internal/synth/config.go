package synth

import (
	"math"
	"strconv"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// transformersVersion is the release whose file layout is written.
const transformersVersion = `"4.45.0"`

// padTokenID is `<|padding|>`.
const padTokenID = "1"

// pair is one member of a JSON object; the value is JSON already.
type pair struct{ key, value string }

// configJSON has the fields, in the order, of the published config.json.
func configJSON(o Options) string {
	clip := "null"
	if o.ClipQKV != 0 {
		clip = float(o.ClipQKV)
	}
	return object([]pair{
		{"architectures", "[\n    \"OlmoeForCausalLM\"\n  ]"},
		{"attention_bias", "false"},
		{"attention_dropout", "0.0"},
		{"clip_qkv", clip},
		{"eos_token_id", strconv.Itoa(o.EOSTokenID)},
		{"hidden_act", `"silu"`},
		{"hidden_size", strconv.Itoa(o.HiddenSize)},
		{"initializer_range", "0.02"},
		{"intermediate_size", strconv.Itoa(o.IntermediateSize)},
		{"max_position_embeddings", strconv.Itoa(o.MaxPositions)},
		{"model_type", `"olmoe"`},
		{"norm_topk_prob", strconv.FormatBool(o.NormTopKProb)},
		{"num_attention_heads", strconv.Itoa(o.Heads)},
		{"num_experts", strconv.Itoa(o.Experts)},
		{"num_experts_per_tok", strconv.Itoa(o.ExpertsPerTok)},
		{"num_hidden_layers", strconv.Itoa(o.Layers)},
		{"num_key_value_heads", strconv.Itoa(o.KVHeads)},
		{"output_router_logits", "false"},
		{"pad_token_id", padTokenID},
		{"rms_norm_eps", float(o.RMSNormEps)},
		{"rope_scaling", "null"},
		{"rope_theta", float(o.RopeTheta)},
		{"router_aux_loss_coef", "0.01"},
		{"tie_word_embeddings", strconv.FormatBool(o.Tied)},
		{"torch_dtype", map[tensor.DType]string{tensor.BF16: `"bfloat16"`, tensor.F16: `"float16"`, tensor.F32: `"float32"`}[o.DType]},
		{"transformers_version", transformersVersion},
		{"use_cache", "true"},
		{"vocab_size", strconv.Itoa(o.VocabSize)},
	}) + "\n"
}

// generationJSON is generation_config.json.
func generationJSON(o Options) string {
	return object([]pair{
		{"_from_model_config", "true"},
		{"eos_token_id", strconv.Itoa(o.EOSTokenID)},
		{"pad_token_id", padTokenID},
		{"transformers_version", transformersVersion},
	})
}

// object writes members in the order given.
func object(members []pair) string {
	lines := make([]string, len(members))
	for i, m := range members {
		lines[i] = "  " + strconv.Quote(m.key) + ": " + m.value
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}"
}

// float writes a number as Python's json does: 10000.0, 1e-05.
func float(x float64) string {
	if a := math.Abs(x); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
