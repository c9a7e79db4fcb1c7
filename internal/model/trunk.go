package model

import (
	"context"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// Trunk is everything of the model but its experts.
type Trunk struct {
	cfg    *checkpoint.Config
	layers []layer
	embed  kernels.Weight // [V,H]
	head   kernels.Weight // [V,H]; the embedding when tied, in 8-bit form a copy of it
	norm   []float32      // [H]
	rope   *ropeTable
}

type layer struct {
	inputNorm, postNorm []float32 // [H]
	qNorm, kNorm        []float32 // [H], [kv]
	q, k, v, o          kernels.Weight
	gate                kernels.Weight // [E,H]
}

// OpenTrunk reads the router's own tensors: no byte of an expert is touched. The
// 8-bit form comes from the cache, or is made and, until ctx ends, kept there in
// the background. Its errors name the file and tensor.
func OpenTrunk(ctx context.Context, ck *checkpoint.Checkpoint, cache *weightcache.Cache) (*Trunk, error) {
	l := loader{ck: ck}
	t := &Trunk{cfg: ck.Config(), embed: l.weight(checkpoint.EmbedTokens), norm: l.vector(checkpoint.FinalNorm)}
	t.head = t.embed
	if !t.cfg.TieWordEmbeddings {
		t.head = l.weight(checkpoint.LMHead)
	}
	for i := range t.cfg.NumLayers {
		t.layers = append(t.layers, l.layer(i))
	}
	if l.err != nil {
		return nil, l.err
	}
	if err := t.load(ctx, ck, l.tensors, cache); err != nil {
		return nil, err
	}
	t.rope = newRopeTable(t.cfg.MaxPositionEmbeddings, t.cfg.HeadDim, t.cfg.RopeTheta)
	return t, nil
}

// Config is the checkpoint's configuration.
func (t *Trunk) Config() *checkpoint.Config { return t.cfg }

func (t *Trunk) qDim() int  { return t.cfg.NumHeads * t.cfg.HeadDim }
func (t *Trunk) kvDim() int { return t.cfg.NumKVHeads * t.cfg.HeadDim }

// loader collects tensors and keeps the first error, so that the list of weights
// reads as a list.
type loader struct {
	ck      *checkpoint.Checkpoint
	tensors []tensor.Tensor
	err     error
}

func (l *loader) layer(i int) layer {
	at := func(part string) string { return checkpoint.LayerTensor(i, part) }
	return layer{
		inputNorm: l.vector(at(checkpoint.InputNorm)),
		postNorm:  l.vector(at(checkpoint.PostAttentionNorm)),
		qNorm:     l.vector(at(checkpoint.QNorm)),
		kNorm:     l.vector(at(checkpoint.KNorm)),
		q:         l.weight(at(checkpoint.QProj)),
		k:         l.weight(at(checkpoint.KProj)),
		v:         l.weight(at(checkpoint.VProj)),
		o:         l.weight(at(checkpoint.OProj)),
		gate:      l.weight(at(checkpoint.Gate)),
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
