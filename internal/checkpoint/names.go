package checkpoint

import (
	"fmt"
	"strings"
)

// Names of the tensors outside the layers.
const (
	EmbedTokens = "model.embed_tokens.weight" //nolint:gosec // no credential
	FinalNorm   = "model.norm.weight"
	LMHead      = "lm_head.weight"
)

// Parts of a layer, for LayerTensor. With H = hidden size, KV = kv heads x head
// size, E = experts: shapes are [out, in].
const (
	InputNorm         = "input_layernorm"          // [H]
	PostAttentionNorm = "post_attention_layernorm" // [H]
	QProj             = "self_attn.q_proj"         // [H, H]
	KProj             = "self_attn.k_proj"         // [KV, H]
	VProj             = "self_attn.v_proj"         // [KV, H]
	OProj             = "self_attn.o_proj"         // [H, H]
	QNorm             = "self_attn.q_norm"         // [H]
	KNorm             = "self_attn.k_norm"         // [KV]
	Gate              = "mlp.gate"                 // [E, H], the expert router
)

// LayerTensor names one of the parts above in a layer.
func LayerTensor(layer int, part string) string {
	return fmt.Sprintf("model.layers.%d.%s.weight", layer, part)
}

// expertPart is in the name of every expert's tensors and of no other.
const expertPart = ".mlp.experts."

// IsExpertTensor tells an expert's tensor from one of the router's.
func IsExpertTensor(name string) bool { return strings.Contains(name, expertPart) }

// isGate tells a layer's expert router from other tensors.
func isGate(name string) bool { return strings.HasSuffix(name, "."+Gate+".weight") }

// ExpertTensorNames names the three matrices of one expert: gate and up
// [intermediate, hidden], down [hidden, intermediate].
func ExpertTensorNames(layer, expert int) (gate, up, down string) {
	p := ExpertName(layer, expert)
	return p + ".gate_proj.weight", p + ".up_proj.weight", p + ".down_proj.weight"
}

// ExpertName is what the names of an expert's tensors begin with.
func ExpertName(layer, expert int) string {
	return fmt.Sprintf("model.layers.%d"+expertPart+"%d", layer, expert)
}

// OutputTensor names the matrix [vocab, hidden] that makes logits: the
// embedding itself where it is tied.
func (c *Config) OutputTensor() string {
	if c.TieWordEmbeddings {
		return EmbedTokens
	}
	return LMHead
}

// Spec is the name and shape of a tensor that a checkpoint must hold.
type Spec struct {
	Name  string
	Shape []int
}

// Tensors lists every tensor of the model, in the order of published files.
func (c *Config) Tensors() []Spec {
	h, kv := c.HiddenSize, c.NumKVHeads*c.HeadDim
	var list []Spec
	add := func(name string, shape ...int) { list = append(list, Spec{name, shape}) }
	if !c.TieWordEmbeddings {
		add(LMHead, c.VocabSize, h)
	}
	add(EmbedTokens, c.VocabSize, h)
	for l := range c.NumLayers {
		add(LayerTensor(l, InputNorm), h)
		for e := range c.NumExperts {
			gate, up, down := ExpertTensorNames(l, e)
			add(down, h, c.IntermediateSize)
			add(gate, c.IntermediateSize, h)
			add(up, c.IntermediateSize, h)
		}
		add(LayerTensor(l, Gate), c.NumExperts, h)
		add(LayerTensor(l, PostAttentionNorm), h)
		add(LayerTensor(l, KNorm), kv)
		add(LayerTensor(l, KProj), kv, h)
		add(LayerTensor(l, OProj), h, h)
		add(LayerTensor(l, QNorm), h)
		add(LayerTensor(l, QProj), h, h)
		add(LayerTensor(l, VProj), kv, h)
	}
	add(FinalNorm, h)
	return list
}
