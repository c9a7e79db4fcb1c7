package model

import (
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// attention adds the causal self-attention block of layer l to a part's rows.
func (r *Runner) attention(p *part, l int) {
	ws, ly := r.ws, &r.layers[l]
	x, h := p.of(ws.x, r.cfg.HiddenSize), p.of(ws.h, r.cfg.HiddenSize)
	r.normRows(h, x, ly.inputNorm)
	r.project(p, h, ly)
	r.layer = l
	r.run(p, (*Runner).positionRow)
	r.lanes(p, len(p.tiles)*r.cfg.NumHeads, (*Runner).attend)
	r.product(h, p.of(ws.attn, r.qDim()), p.rows, ly.o) // the normed input is no longer needed
	kernels.Add(x, h)
}

func (r *Runner) project(p *part, h []float32, ly *layer) {
	q, k, v := p.of(r.ws.q, r.qDim()), p.of(r.ws.k, r.kvDim()), p.of(r.ws.v, r.kvDim())
	r.jobs = append(r.jobs[:0], job(q, h, p.rows, ly.q), job(k, h, p.rows, ly.k), job(v, h, p.rows, ly.v))
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
	tiles := r.now.tiles
	head, t := task/len(tiles), tiles[task%len(tiles)]
	kv := head / (r.cfg.NumHeads / r.cfg.NumKVHeads)
	row := r.rows[t.first]
	pages := row.KV.Pages[:PagesFor(row.Pos+t.rows)]
	at, stride := t.first*r.qDim()+head*r.cfg.HeadDim, len(pages)*PageTokens
	q, out, scores := r.ws.q[at:], r.ws.attn[at:], r.ws.scores[lane][:t.rows*stride]

	clear(scores)
	r.addScores(scores, q, t.rows, kv, pages)
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

// addScores adds the products of some rows of q with the keys of all pages to scores
// [rows, positions of pages].
func (r *Runner) addScores(scores, q []float32, rows, kv int, pages []*Page) {
	i, stride := 0, len(pages)*PageTokens
	if rows == 1 {
		for ; len(pages)-i >= kernels.BlocksTogether; i += kernels.BlocksTogether {
			var keys, next [kernels.BlocksTogether][]byte
			for j := range keys {
				keys[j] = r.keys(pages[i+j], kv).Data
				next[j] = r.keys(pages[min(i+j+len(keys), len(pages)-1)], kv).Data
			}
			kernels.AddProducts(scores[i*PageTokens:], q[:r.cfg.HeadDim], pages[i].dtype, &keys, &next)
		}
	}
	for ; i < len(pages); i++ {
		keys, next := r.keys(pages[i], kv), r.keys(pages[min(i+1, len(pages)-1)], kv)
		kernels.AddProduct(scores[i*PageTokens:], stride, q, r.qDim(), rows, keys, next.Data)
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
