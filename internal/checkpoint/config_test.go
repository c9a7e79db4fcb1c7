package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// defaults is transformers' OlmoeConfig().
func defaults() Config {
	return Config{
		HiddenSize: 2048, NumLayers: 16, NumHeads: 16, NumKVHeads: 16, HeadDim: 128,
		IntermediateSize: 2048, NumExperts: 64, NumExpertsPerTok: 8, VocabSize: 50304,
		MaxPositionEmbeddings: 4096, RMSNormEps: 1e-5, RopeTheta: 10000, EOSTokenIDs: []int32{50279},
	}
}

func TestConfigVariants(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		want         func(c *Config)
	}{
		{"all defaults", ``, func(*Config) {}},
		{"sizes", `"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 32,
			"num_experts": 8, "num_experts_per_tok": 2, "vocab_size": 512, "max_position_embeddings": 99, "eos_token_id": 5`,
			func(c *Config) {
				*c = Config{
					HiddenSize: 64, NumLayers: 4, NumHeads: 4, NumKVHeads: 4, HeadDim: 16, IntermediateSize: 32,
					NumExperts: 8, NumExpertsPerTok: 2, VocabSize: 512, MaxPositionEmbeddings: 99,
					RMSNormEps: 1e-5, RopeTheta: 10000, EOSTokenIDs: []int32{5},
				}
			}},
		{"grouped queries", `"num_key_value_heads": 4`, func(c *Config) { c.NumKVHeads = 4 }},
		{"kv heads null", `"num_key_value_heads": null`, func(*Config) {}},
		{"kv heads follow heads", `"num_attention_heads": 32`, func(c *Config) { c.NumHeads, c.NumKVHeads, c.HeadDim = 32, 32, 64 }},
		{"head_dim given", `"head_dim": 128`, func(*Config) {}},
		{"head_dim null", `"head_dim": null`, func(*Config) {}},
		{"second name of num_experts", `"num_local_experts": 16`, func(c *Config) { c.NumExperts = 16 }},
		{"tied", `"tie_word_embeddings": true`, func(c *Config) { c.TieWordEmbeddings = true }},
		{"not tied", `"tie_word_embeddings": false`, func(*Config) {}},
		{"clip null", `"clip_qkv": null`, func(*Config) {}},
		{"clip whole number", `"clip_qkv": 8`, func(c *Config) { c.ClipQKV = 8 }},
		{"clip fraction", `"clip_qkv": 2.5`, func(c *Config) { c.ClipQKV = 2.5 }},
		{"norm_topk_prob", `"norm_topk_prob": true`, func(c *Config) { c.NormTopKProb = true }},
		{"eps", `"rms_norm_eps": 1e-06`, func(c *Config) { c.RMSNormEps = 1e-6 }},
		{"theta", `"rope_theta": 500000`, func(c *Config) { c.RopeTheta = 500000 }},
		{"theta nested", `"rope_parameters": {"rope_theta": 2e4, "rope_type": "default"}`, func(c *Config) { c.RopeTheta = 20000 }},
		{"theta nested wins", `"rope_theta": 5, "rope_parameters": {"rope_theta": 6}`, func(c *Config) { c.RopeTheta = 6 }},
		{"theta beside", `"rope_theta": 5, "rope_parameters": {"rope_type": "default"}`, func(c *Config) { c.RopeTheta = 5 }},
		{"rope_parameters null", `"rope_parameters": null`, func(*Config) {}},
		{"scaling null", `"rope_scaling": null`, func(*Config) {}},
		{"scaling that scales nothing", `"rope_scaling": {"type": "default"}, "partial_rotary_factor": 1.0`, func(*Config) {}},
		{"torch_dtype", `"torch_dtype": "bfloat16"`, func(c *Config) { c.SavedDType = "bfloat16" }},
		{"dtype", `"dtype": "float32"`, func(c *Config) { c.SavedDType = "float32" }},
		{"swish is silu", `"hidden_act": "swish"`, func(*Config) {}},
		{"bias false", `"attention_bias": false`, func(*Config) {}},
		{"eos list", `"eos_token_id": [50279, 7]`, func(c *Config) { c.EOSTokenIDs = []int32{50279, 7} }},
		{"eos null", `"eos_token_id": null`, func(c *Config) { c.EOSTokenIDs = nil }},
		{"default eos beyond the vocabulary", `"vocab_size": 512`, func(c *Config) { c.VocabSize, c.EOSTokenIDs = 512, nil }},
		{"unknown fields", `"x": {"deep": [1, null]}, "_name_or_path": "a"`, func(*Config) {}},
		{"names are case-sensitive", `"Hidden_Size": 3`, func(*Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := `{"model_type": "olmoe"}`
			if c.fields != "" {
				text = `{"model_type": "olmoe", ` + c.fields + `}`
			}
			want := defaults()
			c.want(&want)
			got, err := ParseConfig("config.json", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
		})
	}
}

func TestModelTypeMayBeMissing(t *testing.T) {
	if _, err := ParseConfig("x", []byte(`{"architectures": ["OlmoeForCausalLM"]}`)); err != nil {
		t.Error(err)
	}
}

// badFields are members of a config.json, the field that the error must name
// and what it must say of it.
var badFields = []struct{ fields, field, problem string }{
	{`"model_type": "llama"`, "model_type", `is "llama"`},
	{`"model_type": null`, "model_type", "missing"},
	{`"model_type": 7`, "model_type", "want a string"},
	{`"hidden_act": "gelu"`, "hidden_act", "only silu"},
	{`"attention_bias": true`, "attention_bias", "not supported"},
	{`"quantization_config": {"bits": 4}`, "quantization_config", "bf16"},
	{`"rope_scaling": {"rope_type": "yarn", "factor": 4}`, "rope_scaling", `"yarn"`},
	{`"rope_scaling": {"type": "linear"}`, "rope_scaling", `"linear"`},
	{`"rope_parameters": {"rope_type": "llama3"}`, "rope_parameters", `"llama3"`},
	{`"rope_parameters": {"rope_theta": 0}`, "rope_theta", "is 0"},
	{`"rope_parameters": {"partial_rotary_factor": 0.5}`, "partial_rotary_factor", "is 0.5"},
	{`"rope_parameters": []`, "rope_parameters", "want an object"},
	{`"partial_rotary_factor": 0.25`, "partial_rotary_factor", "whole heads"},
	{`"rope_theta": -1`, "rope_theta", "is -1"},
	{`"rope_theta": 1e99`, "rope_theta", "is 1e99"},
	{`"rms_norm_eps": 0`, "rms_norm_eps", "is 0"},
	{`"rms_norm_eps": 1e-60`, "rms_norm_eps", "float32"},
	{`"rms_norm_eps": "1e-5"`, "rms_norm_eps", "want a number"},
	{`"clip_qkv": 0`, "clip_qkv", "is 0"},
	{`"clip_qkv": "8"`, "clip_qkv", "want a number"},
	{`"hidden_size": 0`, "hidden_size", "is 0"},
	{`"hidden_size": -5`, "hidden_size", "is -5"},
	{`"hidden_size": 64.5`, "hidden_size", "is 64.5"},
	{`"hidden_size": null`, "hidden_size", "is null"},
	{`"hidden_size": 1000000000000`, "hidden_size", "want a whole number from 1 to 65536"},
	{`"hidden_size": 99999999999999999999999999999999999999999999999999`, "hidden_size", "…"},
	{`"hidden_size": 100`, "num_attention_heads", "does not divide hidden_size 100"},
	{`"hidden_size": 48`, "num_attention_heads", "odd size 3"},
	{`"num_hidden_layers": 2000`, "num_hidden_layers", "1 to 1024"},
	{`"num_key_value_heads": 3`, "num_key_value_heads", "does not divide"},
	{`"num_key_value_heads": 32`, "num_key_value_heads", "does not divide"},
	{`"num_key_value_heads": 0`, "num_key_value_heads", "is 0"},
	{`"head_dim": 64`, "head_dim", "128"},
	{`"intermediate_size": 0`, "intermediate_size", "is 0"},
	{`"num_experts": 0`, "num_experts", "is 0"},
	{`"num_experts": 7`, "num_experts_per_tok", "more than num_experts 7"},
	{`"num_experts_per_tok": 65`, "num_experts_per_tok", "is 65"},
	{`"num_experts": 4096, "num_hidden_layers": 17`, "num_experts", "65536 in all"},
	{`"vocab_size": 5000000`, "vocab_size", "is 5000000"},
	{`"max_position_embeddings": 0`, "max_position_embeddings", "is 0"},
	{`"norm_topk_prob": 1`, "norm_topk_prob", "want true or false"},
	{`"tie_word_embeddings": "yes"`, "tie_word_embeddings", "want true or false"},
	{`"eos_token_id": "x"`, "eos_token_id", "want a token id"},
	{`"eos_token_id": [1, "x"]`, "eos_token_id", "want a token id"},
	{`"eos_token_id": -1`, "eos_token_id", "holds -1"},
	{`"eos_token_id": 4294967296`, "eos_token_id", "holds 4294967296"},
	{`"eos_token_id": [` + strings.Repeat("1,", 64) + `1]`, "eos_token_id", "65 ids"},
	{`"architectures": 5`, "architectures", "want a list"},
}

func TestConfigErrors(t *testing.T) {
	for _, c := range badFields {
		text := `{"model_type": "olmoe", ` + c.fields + `}`
		if strings.Contains(c.fields, "model_type") || c.field == "architectures" {
			text = `{` + c.fields + `}`
		}
		_, err := ParseConfig("some/config.json", []byte(text))
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", c.fields, err)
			continue
		}
		for _, part := range []string{"some/config.json: field " + c.field + ": ", c.problem} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %q does not say %q", c.fields, err, part)
			}
		}
	}
}

func TestConfigThatIsNoObject(t *testing.T) {
	for text, problem := range map[string]string{
		"":                                 "not a JSON object",
		"[]":                               "not a JSON object",
		"{":                                "ends in the middle; is the download complete?",
		`{"a": 1`:                          "ends in the middle",
		`{"a"`:                             "ends in the middle",
		`{"a": "b`:                         "ends in the middle",
		`{"a": NaN}`:                       `entry "a"`,
		`{"a": 1} x`:                       "after the JSON object",
		`{"a": 1}{}`:                       "after the JSON object",
		`{"a": 1, "a": 2}`:                 `two entries "a"`,
		"{\"a\": \"\xff\"}":                "UTF-8",
		strings.Repeat("[", 1e5):           "not a JSON object",
		`{"a":` + strings.Repeat("[", 1e5): `entry "a"`,
	} {
		_, err := ParseConfig("config.json", []byte(text))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "config.json: ") || !strings.Contains(err.Error(), problem) {
			t.Errorf("%.20q: error %v, want one about %q", text, err, problem)
		}
	}
}

func TestLoadConfigMergesGenerationConfig(t *testing.T) {
	for _, c := range []struct {
		generation string
		want       []int32
		err        string
	}{
		{"", []int32{50279}, ""},
		{`{"eos_token_id": [1, 50279, 2]}`, []int32{50279, 1, 2}, ""},
		{`{"eos_token_id": 3}`, []int32{50279, 3}, ""},
		{`{"eos_token_id": null}`, []int32{50279}, ""},
		{`{"pad_token_id": 3}`, []int32{50279}, ""},
		{`{"eos_token_id": -3}`, nil, "generation_config.json: field eos_token_id"},
		{`{"eos_`, nil, "generation_config.json"},
	} {
		dir := t.TempDir()
		put(t, dir, "config.json", `{"model_type": "olmoe"}`)
		if c.generation != "" {
			put(t, dir, "generation_config.json", c.generation)
		}
		got, err := LoadConfig(dir)
		switch {
		case c.err != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error %v, want %q", c.generation, err, c.err)
		case c.err == "" && (err != nil || !slices.Equal(got.EOSTokenIDs, c.want)):
			t.Errorf("%s: %v, error %v, want %v", c.generation, got, err, c.want)
		}
	}
}

func TestLoadConfigOfABadDirectory(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "file", "x")
	put(t, dir, "big/config.json", strings.Repeat(" ", maxConfigBytes+1))
	put(t, dir, "dir/config.json/x", "x")
	for _, c := range []struct {
		path string
		kind error
		text string
	}{
		{"none", ErrNotFound, "none: does not exist"},
		{"file", ErrInvalid, "file: is not a directory"},
		{"", ErrNotFound, "config.json: does not exist"},
		{"big", ErrInvalid, "config.json: is larger than 1048576 bytes"},
		{"dir", ErrInvalid, "config.json: is not a regular file"},
	} {
		_, err := LoadConfig(filepath.Join(dir, c.path))
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want %v saying %q", c.path, err, c.kind, c.text)
		}
	}
}

// put writes a file, and the directories it needs.
func put(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The whole text of an error, as a user reads it.
func TestErrorText(t *testing.T) {
	cause := errors.New("disk on fire")
	err := error(&Error{Kind: ErrChanged, Path: "a/b", Where: "tensor x", Problem: "is gone", Cause: cause})
	if got := err.Error(); got != "a/b: tensor x: is gone: disk on fire" {
		t.Errorf("reads %q", got)
	}
	if !errors.Is(err, ErrChanged) || !errors.Is(err, cause) || errors.Is(err, ErrInvalid) {
		t.Error("errors.Is does not see kind and cause")
	}
}

func TestTensorsOfTheFullModel(t *testing.T) {
	c := defaults()
	c.IntermediateSize = 1024
	params, seen := 0, map[string]bool{}
	for _, s := range c.Tensors() {
		n := 1
		for _, d := range s.Shape {
			n *= d
		}
		params += n
		seen[s.Name] = true
	}
	if params != 6_919_161_856 { // the published number
		t.Errorf("%d weights", params)
	}
	if len(seen) != 16*(3*64+9)+3 {
		t.Errorf("%d tensors", len(seen))
	}
	if c.OutputTensor() != LMHead || !seen[LMHead] {
		t.Error("no output matrix")
	}
	c.TieWordEmbeddings = true
	if c.OutputTensor() != EmbedTokens || c.Tensors()[0].Name != EmbedTokens {
		t.Error("a tied model has no output matrix of its own")
	}
}
