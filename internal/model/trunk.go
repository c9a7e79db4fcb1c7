package model

import (
	"context"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Trunk is everything of the model but its experts.
type Trunk struct {
	cfg    *checkpoint.Config
	layers []layer
	embed  kernels.Weight // [V,H]
	head   kernels.Weight // [V,H]; the embedding when tied
	norm   []float32      // [H]
	rope   *ropeTable
}

type layer struct {
	inputNorm, postNorm []float32 // [H]
	qNorm, kNorm        []float32 // [H], [kv]
	q, k, v, o          kernels.Weight
	gate                kernels.Weight // [E,H]
}

// OpenTrunk reads the router's own tensors: no byte of an expert is touched.
// Its errors name the file and tensor.
func OpenTrunk(ctx context.Context, ck *checkpoint.Checkpoint) (*Trunk, error) {
	l := loader{ck: ck}
	t := &Trunk{cfg: ck.Config(), embed: l.weight("model.embed_tokens.weight"), norm: l.vector("model.norm.weight")}
	t.head = t.embed
	if !t.cfg.TieWordEmbeddings {
		t.head = l.weight("lm_head.weight")
	}
	for i := range t.cfg.NumLayers {
		t.layers = append(t.layers, l.layer(i))
	}
	if l.err != nil {
		return nil, l.err
	}
	if err := ck.Load(ctx, l.tensors...); err != nil {
		return nil, err
	}
	t.rope = newRopeTable(t.cfg.MaxPositionEmbeddings, t.cfg.HeadDim, t.cfg.RopeTheta)
	return t, nil
}

// Config is the checkpoint's configuration.
func (t *Trunk) Config() *checkpoint.Config { return t.cfg }

func (t *Trunk) qDim() int  { return t.cfg.NumHeads * t.cfg.HeadDim }
func (t *Trunk) kvDim() int { return t.cfg.NumKVHeads * t.cfg.HeadDim }

// layerPage is the number of floats that one layer takes in a page.
func (t *Trunk) layerPage() int { return 2 * PageTokens * t.kvDim() }

// loader collects tensors and keeps the first error, so that the list of weights
// reads as a list.
type loader struct {
	ck      *checkpoint.Checkpoint
	tensors []tensor.Tensor
	err     error
}

func (l *loader) layer(i int) layer {
	at := func(name string) string { return fmt.Sprintf("model.layers.%d.%s.weight", i, name) }
	return layer{
		inputNorm: l.vector(at("input_layernorm")),
		postNorm:  l.vector(at("post_attention_layernorm")),
		qNorm:     l.vector(at("self_attn.q_norm")),
		kNorm:     l.vector(at("self_attn.k_norm")),
		q:         l.weight(at("self_attn.q_proj")),
		k:         l.weight(at("self_attn.k_proj")),
		v:         l.weight(at("self_attn.v_proj")),
		o:         l.weight(at("self_attn.o_proj")),
		gate:      l.weight(at("mlp.gate")),
	}
}

func (l *loader) tensor(name string) (tensor.Tensor, bool) {
	if l.err != nil {
		return tensor.Tensor{}, false
	}
	t, err := l.ck.Tensor(name)
	if err != nil {
		l.err = err
		return t, false
	}
	l.tensors = append(l.tensors, t)
	return t, true
}

func (l *loader) weight(name string) (w kernels.Weight) {
	if t, ok := l.tensor(name); ok {
		w, l.err = kernels.NewWeight(t)
	}
	return w
}

// vector widens a norm's weight to float32 once: it is used for every row.
func (l *loader) vector(name string) []float32 {
	t, ok := l.tensor(name)
	if !ok {
		return nil
	}
	v := make([]float32, t.Elements())
	kernels.Widen(v, t.DType, t.Data)
	return v
}
