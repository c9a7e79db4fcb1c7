package model

import "context"

// halfRows is the least mean number of rows of an expert in half a step. With fewer
// it costs more that both halves read the expert's weights than it gains that one
// half is here while the other is there: with CPUs of their own for router and node
// steps took 1.0 to 1.1 of the time with 4 rows, 0.75 to 0.88 with 6 (ADR 0119).
const halfRows = 6

// part is rows of a step that go through the layers together: all of them, or
// half of them while the experts have the other half (two micro-batches in
// flight). A row's arithmetic is its own, so no bit depends on the cut.
type part struct {
	first, rows int
	tiles       []tile

	ask      func() // asks the experts; made once, so that a step allocates nothing
	ctx      context.Context
	layer    int           // that was asked
	out      bool          // asked, and the answer not taken
	err      error         // of the answer
	answered chan struct{} // holds a token when the answer is there
}

// Overlap lets large steps run as two halves, of which one is computed here while
// the other is at the experts. Experts must then take two calls at a time. What is
// computed is the same to the bit.
func (r *Runner) Overlap() {
	e, k := r.cfg.NumExperts, r.cfg.NumExpertsPerTok
	r.split = max(2, (2*halfRows*e+k-1)/k)
}

// Halves reports whether a step of so many rows runs as two halves.
func (r *Runner) Halves(rows int) bool { return r.split > 0 && rows >= r.split }

// cut makes the parts of a step and their tiles.
func (r *Runner) cut(rows []Row) []part {
	n := len(rows)
	parts := r.parts[:1]
	parts[0].first, parts[0].rows = 0, n
	if r.Halves(n) {
		parts = r.parts[:2]
		parts[0].rows = (n + 1) / 2
		parts[1].first, parts[1].rows = parts[0].rows, n/2
	}
	for i := range parts {
		parts[i].tile(rows)
	}
	return parts
}

// of is a part's rows of a matrix of the workspace.
func (p *part) of(m []float32, width int) []float32 {
	return m[p.first*width : (p.first+p.rows)*width]
}

// runLayers takes the parts through all layers, in turns. In each layer the first
// part's attention comes first, for the second one's rows may need its keys and values.
func (r *Runner) runLayers(ctx context.Context, parts []part) error {
	defer settle(parts)
	for l := range r.layers {
		for i := range parts {
			p := &parts[i]
			if err := r.receive(p); err != nil {
				return err
			}
			r.attention(p, l)
			r.choose(p, l)
			p.ctx, p.layer, p.out = ctx, l, true
			if len(parts) > 1 {
				go p.ask() // the other half goes on here
			} else {
				p.ask()
			}
		}
	}
	for i := range parts {
		if err := r.receive(&parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// askExperts is a part's question; it ends with a token in answered.
func (r *Runner) askExperts(p *part) {
	defer func() { p.answered <- struct{}{} }() // also after a panic, for settle
	k, h := r.cfg.NumExpertsPerTok, r.cfg.HiddenSize
	ids := r.ws.ids[p.first*k : (p.first+p.rows)*k]
	p.err = r.experts.Do(p.ctx, p.layer, p.of(r.ws.h, h), p.rows, ids, p.of(r.ws.out, k*h))
}

// receive waits for the answer to what was asked, if anything was, and adds it.
func (r *Runner) receive(p *part) error {
	if !p.out {
		return nil
	}
	p.wait()
	if p.err == nil {
		r.add(p, p.layer)
	}
	return p.err
}

func (p *part) wait() {
	<-p.answered
	p.out = false
}

// settle waits for what is still out after an error or a panic: once Step has
// returned nobody may write to its memory. Each call has its own bound (Experts).
func settle(parts []part) {
	for i := range parts {
		if parts[i].out {
			parts[i].wait()
		}
	}
}
