package model

import (
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// attention adds the causal self-attention block of layer l to x [rows, H].
func (r *Runner) attention(l int, x []float32, rows []Row) {
	ws, ly, n := r.ws, &r.layers[l], len(rows)
	h := ws.h[:len(x)]
	r.normRows(h, x, ly.inputNorm)
	r.project(h, n, ly)
	r.pool.Run(n, func(i int) { r.positionRow(l, i, rows[i]) })

	group := r.cfg.NumHeads / r.cfg.NumKVHeads
	r.lanes(n*r.cfg.NumKVHeads, func(lane, task int) {
		i, kv := task/r.cfg.NumKVHeads, task%r.cfg.NumKVHeads
		for g := range group {
			r.head1(l, i, kv*group+g, kv, rows[i], ws.scores[lane])
		}
	})
	o := h // the normed input is no longer needed
	kernels.MatMul(r.pool, o, ws.attn[:n*r.qDim()], n, ly.o)
	r.pool.Run(n, func(i int) {
		a, b := i*r.cfg.HiddenSize, (i+1)*r.cfg.HiddenSize
		kernels.Add(x[a:b], o[a:b])
	})
}

func (r *Runner) project(h []float32, n int, ly *layer) {
	job := func(dst []float32, w kernels.Weight) kernels.Job {
		return kernels.Job{Dst: dst, DstStride: w.Out, X: h, XStride: w.In, Rows: n, W: w}
	}
	r.jobs = append(r.jobs[:0], job(r.ws.q, ly.q), job(r.ws.k, ly.k), job(r.ws.v, ly.v))
	kernels.MatMulMany(r.pool, r.jobs)
}

// positionRow norms, clips and rotates one row's q and k and appends k and v to
// the row's cache. The norms run over the whole projection, before the split into
// heads; clipping comes after them.
func (r *Runner) positionRow(l, i int, row Row) {
	c, ly := r.cfg, &r.layers[l]
	q, k, v := r.ws.q[i*r.qDim():(i+1)*r.qDim()], r.ws.k[i*r.kvDim():(i+1)*r.kvDim()], r.ws.v[i*r.kvDim():(i+1)*r.kvDim()]
	kernels.RMSNorm(q, q, ly.qNorm, c.RMSNormEps)
	kernels.RMSNorm(k, k, ly.kNorm, c.RMSNormEps)
	if c.ClipQKV > 0 {
		kernels.Clamp(q, c.ClipQKV)
		kernels.Clamp(k, c.ClipQKV)
		kernels.Clamp(v, c.ClipQKV)
	}
	cos, sin := r.rope.at(row.Pos)
	hd := c.HeadDim
	for j := 0; j < len(q); j += hd {
		kernels.Rope(q[j:j+hd], cos, sin)
	}
	page, slot := row.KV.Pages[row.Pos/PageTokens], row.Pos%PageTokens
	for kv := range c.NumKVHeads {
		kh := k[kv*hd : (kv+1)*hd]
		kernels.Rope(kh, cos, sin)
		keys, values := r.kvHead(page, l, kv)
		copy(keys[slot*hd:], kh)
		copy(values[slot*hd:], v[kv*hd:(kv+1)*hd])
	}
}

// kvHead is one kv head's keys and values in a page: [PageTokens, head dim] each.
func (r *Runner) kvHead(p *Page, l, kv int) (keys, values []float32) {
	n := PageTokens * r.cfg.HeadDim
	at := l*r.layerPage() + kv*n
	return p.data[at : at+n], p.data[at+PageTokens*r.kvDim() : at+PageTokens*r.kvDim()+n]
}

// head1 is attention of one query head of one row over positions 0..Pos, whose
// keys are all in the cache by now. Every sum runs upward from position 0, so a
// row's value does not depend on how its prompt was cut into chunks.
func (r *Runner) head1(l, i, head, kv int, row Row, scores []float32) {
	hd, n := r.cfg.HeadDim, row.Pos+1
	q := r.ws.q[i*r.qDim()+head*hd : i*r.qDim()+(head+1)*hd]
	scores = scores[:n]
	for p := 0; p < n; p += PageTokens {
		keys, _ := r.kvHead(row.KV.Pages[p/PageTokens], l, kv)
		kernels.DotRows(scores[p:], q, keys, hd, min(PageTokens, n-p))
	}
	kernels.Scale(scores, float32(1/math.Sqrt(float64(hd))))
	kernels.Softmax(scores)
	out := r.ws.attn[i*r.qDim()+head*hd : i*r.qDim()+(head+1)*hd]
	clear(out)
	for p := 0; p < n; p += PageTokens {
		_, values := r.kvHead(row.KV.Pages[p/PageTokens], l, kv)
		kernels.WeightedSum(out, scores[p:], values, hd, min(PageTokens, n-p))
	}
}
