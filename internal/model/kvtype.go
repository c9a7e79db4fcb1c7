package model

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// KVAuto chooses the KV cache's type by the weights', see ParseKV.
const KVAuto = "auto"

// ParseKV is the type that the KV cache stores: "f32", "bf16", or for "auto" (or
// "") bf16 beside 8-bit weights, whose error hides its rounding, and f32 beside
// weights as stored, which are computed within the tolerances of float32 (ADR 0103).
func ParseKV(name string, w checkpoint.Weights) (tensor.DType, error) {
	switch name {
	case "f32":
		return tensor.F32, nil
	case "bf16":
		return tensor.BF16, nil
	case KVAuto, "":
		if w == checkpoint.Int8 {
			return tensor.BF16, nil
		}
		return tensor.F32, nil
	}
	return 0, fmt.Errorf("KV cache type %q: want auto, bf16 or f32", name)
}

// KVBytes is what one position of a sequence takes in the KV cache.
func KVBytes(c *checkpoint.Config, dtype tensor.DType) int {
	return 2 * c.NumLayers * c.NumKVHeads * c.HeadDim * dtype.Size()
}

// layerPage is the number of elements that one layer takes in a page.
func (t *Trunk) layerPage() int { return 2 * PageTokens * t.kvDim() }

// kernels.AddProducts takes pages' keys as they are.
var _ = [1]int{}[PageTokens-kernels.BlockCols]

// keys is one kv head's keys of the current layer in a page: [head dim, PageTokens].
func (r *Runner) keys(p *Page, kv int) kernels.Block {
	n, hd := PageTokens, r.cfg.HeadDim
	return kernels.Block{DType: p.dtype, K: hd, Cols: n, Data: p.part(r.layer*r.layerPage()+kv*n*hd, n*hd)}
}

// values is one kv head's values of the first n positions of a page: [n, head dim].
func (r *Runner) values(p *Page, kv, n int) kernels.Block {
	hd := r.cfg.HeadDim
	at := r.layer*r.layerPage() + PageTokens*(r.kvDim()+kv*hd)
	return kernels.Block{DType: p.dtype, K: n, Cols: hd, Data: p.part(at, n*hd)}
}

// part is n elements of a page from the at-th on.
func (p *Page) part(at, n int) []byte {
	size := p.dtype.Size()
	return p.data[at*size : (at+n)*size]
}

// store puts one position's key and value of a kv head into its slot of a page.
func (r *Runner) store(p *Page, kv, slot int, key, value []float32) {
	size := p.dtype.Size()
	kernels.Narrow(r.keys(p, kv).Data[slot*size:], p.dtype, PageTokens, key)
	kernels.Narrow(r.values(p, kv, PageTokens).Data[slot*len(value)*size:], p.dtype, 1, value)
}
