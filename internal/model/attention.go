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
	r.run(n, (*Runner).positionRow)
	r.lanes(len(r.tiles)*r.cfg.NumHeads, (*Runner).attend)
	r.product(h, ws.attn[:n*r.qDim()], n, ly.o) // the normed input is no longer needed
	kernels.Add(x, h)
}

func (r *Runner) project(h []float32, n int, ly *layer) {
	r.jobs = append(r.jobs[:0], job(r.ws.q, h, n, ly.q), job(r.ws.k, h, n, ly.k), job(r.ws.v, h, n, ly.v))
	kernels.MatMulMany(r.pool, r.jobs)
}

// product is dst [rows, w.Out] = x [rows, w.In] times w.
func (r *Runner) product(dst, x []float32, rows int, w kernels.Weight) {
	r.jobs = append(r.jobs[:0], job(dst, x, rows, w))
	kernels.MatMulMany(r.pool, r.jobs)
}

func job(dst, x []float32, rows int, w kernels.Weight) kernels.Job {
	return kernels.Job{Dst: dst, DstStride: w.Out, X: x, XStride: w.In, Rows: rows, W: w}
}

// positionRow norms, clips and rotates one row's q and k and appends k and v to
// the row's cache. The norms run over the whole projection, before the split into
// heads; clipping comes after them. q leaves with the scale of the scores.
func (r *Runner) positionRow(i int) {
	c, ly, row := r.cfg, &r.layers[r.layer], r.rows[i]
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
	kernels.Scale(q, float32(1/math.Sqrt(float64(hd))))
	page, slot := row.KV.Pages[row.Pos/PageTokens], row.Pos%PageTokens
	for kv := range c.NumKVHeads {
		kh := k[kv*hd : (kv+1)*hd]
		kernels.Rope(kh, cos, sin)
		r.store(page, kv, slot, kh, v[kv*hd:(kv+1)*hd])
	}
}

// attend is attention of one query head for the rows of one tile, in two passes
// over the pages: scores of all positions, then the values' sum. Every sum runs
// upward from its first element and a row's own, so a row's bits depend neither on
// how its prompt was cut into chunks nor on the rows beside it (ADR 0102).
func (r *Runner) attend(lane, task int) {
	head, t := task/len(r.tiles), r.tiles[task%len(r.tiles)]
	kv := head / (r.cfg.NumHeads / r.cfg.NumKVHeads)
	row := r.rows[t.first]
	pages := row.KV.Pages[:PagesFor(row.Pos+t.rows)]
	at, stride := t.first*r.qDim()+head*r.cfg.HeadDim, len(pages)*PageTokens
	q, out, scores := r.ws.q[at:], r.ws.attn[at:], r.ws.scores[lane][:t.rows*stride]

	clear(scores)
	for i, p := range pages {
		keys, next := r.keys(p, kv), r.keys(pages[min(i+1, len(pages)-1)], kv)
		kernels.AddProduct(scores[i*PageTokens:], stride, q, r.qDim(), t.rows, keys, next.Data)
	}
	var sums [tileRows]float32
	for i := range t.rows {
		sums[i] = kernels.ExpSum(scores[i*stride : i*stride+row.Pos+i+1])
		clear(out[i*r.qDim() : i*r.qDim()+r.cfg.HeadDim])
	}
	r.sumValues(out, scores, stride, t.rows, row.Pos, kv, pages)
	for i := range t.rows {
		kernels.Div(out[i*r.qDim():i*r.qDim()+r.cfg.HeadDim], sums[i])
	}
}

// sumValues adds the weighted values of positions 0..pos+i to row i of out. Pages
// that every row sees whole are taken by all rows together; on the last ones each
// row stops at its own position: beyond it stands what must not be touched.
func (r *Runner) sumValues(out, weights []float32, stride, rows, pos, kv int, pages []*Page) {
	whole := (pos + 1) / PageTokens
	for i, p := range pages[:whole] {
		next := r.values(pages[min(i+1, len(pages)-1)], kv, PageTokens)
		kernels.AddProduct(out, r.qDim(), weights[i*PageTokens:], stride, rows, r.values(p, kv, PageTokens), next.Data)
	}
	for i := range rows {
		for p := whole; p*PageTokens <= pos+i; p++ {
			n := min(PageTokens, pos+i+1-p*PageTokens)
			kernels.AddProduct(out[i*r.qDim():], r.qDim(), weights[i*stride+p*PageTokens:], stride, 1, r.values(pages[p], kv, n), nil)
		}
	}
}
