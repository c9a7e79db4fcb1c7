package checkpoint

import (
	"path/filepath"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Config is config.json with transformers' OlmoeConfig defaults filled in,
// checked so that every size below is positive and divides as the model needs.
type Config struct {
	HiddenSize            int
	NumLayers             int
	NumHeads              int
	NumKVHeads            int // divides NumHeads
	HeadDim               int // HiddenSize / NumHeads, even
	IntermediateSize      int // of one expert
	NumExperts            int // per layer
	NumExpertsPerTok      int // at most NumExperts
	VocabSize             int
	MaxPositionEmbeddings int
	RMSNormEps            float32
	RopeTheta             float64
	ClipQKV               float32 // 0 = none
	NormTopKProb          bool
	TieWordEmbeddings     bool
	// EOSTokenIDs: the ids that end a text, from config.json and
	// generation_config.json, each in [0, VocabSize). An id beyond the
	// vocabulary can never be produced and is left out.
	EOSTokenIDs []int32
	// SavedDType is torch_dtype (or dtype) as written, "" if absent. It is
	// information only: each tensor's header says how it is stored.
	SavedDType string
}

// Upper bounds of the sizes, far above any OLMoE model (2048, 16, 16, 1024,
// 64, 50304, 4096) and low enough that no product of them overflows.
const (
	maxHidden       = 1 << 16
	maxLayers       = placement.MaxLayers
	maxHeads        = 1 << 10
	maxIntermediate = 1 << 18
	maxExperts      = 1 << 12
	maxVocab        = 1 << 22
	maxPositions    = 1 << 22
	maxAllExperts   = placement.MaxAllExperts
)

// LoadConfig reads DIR/config.json and, where present, the end-of-text ids of
// DIR/generation_config.json. Errors name the file and field and satisfy
// errors.Is with ErrNotFound, ErrDangling, ErrUnreadable or ErrInvalid.
func LoadConfig(dir string) (*Config, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, configFile)
	raw, err := ReadFile(path, maxConfigBytes)
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(path, raw)
	if err != nil {
		return nil, err
	}
	return c, c.mergeGeneration(filepath.Join(dir, generationFile))
}

// ParseConfig reads the text of a config.json; path is used in errors.
func ParseConfig(path string, raw []byte) (*Config, error) {
	f, err := newFields(path, raw)
	if err != nil {
		return nil, err
	}
	checkArchitecture(f)
	c := &Config{
		HiddenSize:            f.size("hidden_size", 2048, maxHidden),
		NumLayers:             f.size("num_hidden_layers", 16, maxLayers),
		NumHeads:              f.size("num_attention_heads", 16, maxHeads),
		IntermediateSize:      f.size("intermediate_size", 2048, maxIntermediate),
		NumExperts:            readNumExperts(f),
		NumExpertsPerTok:      f.size("num_experts_per_tok", 8, maxExperts),
		VocabSize:             f.size("vocab_size", 50304, maxVocab),
		MaxPositionEmbeddings: f.size("max_position_embeddings", 4096, maxPositions),
		RMSNormEps:            float32(f.positive("rms_norm_eps", 1e-5)),
		RopeTheta:             readRopeTheta(f),
		NormTopKProb:          f.boolean("norm_topk_prob"),
		TieWordEmbeddings:     f.boolean("tie_word_embeddings"),
		SavedDType:            f.text("torch_dtype", f.text("dtype", "")),
	}
	c.readOptional(f)
	c.checkSizes(f)
	return c, f.err
}

// readOptional reads the fields for which null means "not set".
func (c *Config) readOptional(f *fields) {
	c.NumKVHeads, c.HeadDim = c.NumHeads, c.HiddenSize/c.NumHeads
	if f.has("num_key_value_heads") {
		c.NumKVHeads = f.size("num_key_value_heads", 0, maxHeads)
	}
	if f.has("head_dim") {
		c.HeadDim = f.size("head_dim", 0, maxHidden)
	}
	if f.has("clip_qkv") {
		c.ClipQKV = float32(f.positive("clip_qkv", 0))
	}
	c.EOSTokenIDs = readEOS(f, c.VocabSize, defaultEOS)
}

// checkSizes checks the fields against each other.
func (c *Config) checkSizes(f *fields) {
	switch {
	case f.err != nil:
	case c.HiddenSize%c.NumHeads != 0:
		f.fail("num_attention_heads", "is %d and does not divide hidden_size %d", c.NumHeads, c.HiddenSize)
	case c.NumHeads%c.NumKVHeads != 0:
		f.fail("num_key_value_heads", "is %d and does not divide num_attention_heads %d", c.NumKVHeads, c.NumHeads)
	case c.HeadDim*c.NumHeads != c.HiddenSize:
		// q_norm has hidden_size weights and spans all query heads.
		f.fail("head_dim", "is %d, but OLMoE needs hidden_size / num_attention_heads = %d", c.HeadDim, c.HiddenSize/c.NumHeads)
	case c.HeadDim%2 != 0:
		f.fail("num_attention_heads", "is %d, which gives heads of odd size %d; rotary embedding pairs the elements of a head", c.NumHeads, c.HeadDim)
	case c.NumExpertsPerTok > c.NumExperts:
		f.fail("num_experts_per_tok", "is %d, more than num_experts %d", c.NumExpertsPerTok, c.NumExperts)
	case c.NumLayers*c.NumExperts > maxAllExperts:
		f.fail("num_experts", "is %d in each of %d layers, more than %d in all", c.NumExperts, c.NumLayers, maxAllExperts)
	}
}
