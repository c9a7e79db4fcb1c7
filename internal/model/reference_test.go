package model

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// reference is OlmoeForCausalLM again, as plainly as possible: float64, no cache,
// one token after the other, nothing shared with the code under test but the
// reading of tensors.
type reference struct {
	t  *testing.T
	ck *checkpoint.Checkpoint
	c  *checkpoint.Config
}

func (r *reference) tensor(name string) []float64 {
	r.t.Helper()
	ts, err := r.ck.Tensor(name)
	if err != nil {
		r.t.Fatal(err)
	}
	f := make([]float32, ts.Elements())
	kernels.Widen(f, ts.DType, ts.Data)
	out := make([]float64, len(f))
	for i, v := range f {
		out[i] = float64(v)
	}
	return out
}

func matvec(w, x []float64) []float64 {
	out := make([]float64, len(w)/len(x))
	for o := range out {
		for i, v := range x {
			out[o] += w[o*len(x)+i] * v
		}
	}
	return out
}

func (r *reference) norm(x, w []float64) []float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	f := 1 / math.Sqrt(sum/float64(len(x))+float64(r.c.RMSNormEps))
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] * f * w[i]
	}
	return out
}

func (r *reference) clip(x []float64) {
	if lim := float64(r.c.ClipQKV); lim > 0 {
		for i := range x {
			x[i] = max(-lim, min(lim, x[i]))
		}
	}
}

func (r *reference) rotate(x []float64, pos int) {
	hd := r.c.HeadDim
	for h := 0; h < len(x); h += hd {
		for i := range hd / 2 {
			angle := float64(pos) * math.Pow(r.c.RopeTheta, -2*float64(i)/float64(hd))
			a, b := x[h+i], x[h+i+hd/2]
			x[h+i], x[h+i+hd/2] = a*math.Cos(angle)-b*math.Sin(angle), b*math.Cos(angle)+a*math.Sin(angle)
		}
	}
}

func softmax(x []float64) {
	m, sum := slices.Max(x), 0.0
	for i := range x {
		x[i] = math.Exp(x[i] - m)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// logits of the last position.
func (r *reference) logits(ids []int32) []float64 {
	embed, h := r.tensor("model.embed_tokens.weight"), r.c.HiddenSize
	var x [][]float64
	for _, id := range ids {
		x = append(x, slices.Clone(embed[int(id)*h:(int(id)+1)*h]))
	}
	for l := range r.c.NumLayers {
		w := func(name string) []float64 { return r.tensor(fmt.Sprintf("model.layers.%d.%s.weight", l, name)) }
		r.attention(x, w)
		for _, row := range x {
			r.mixture(row, w)
		}
	}
	head := embed
	if !r.c.TieWordEmbeddings {
		head = r.tensor("lm_head.weight")
	}
	return matvec(head, r.norm(x[len(x)-1], r.tensor("model.norm.weight")))
}

func (r *reference) attention(x [][]float64, w func(string) []float64) {
	wq, wk, wv, wo := w("self_attn.q_proj"), w("self_attn.k_proj"), w("self_attn.v_proj"), w("self_attn.o_proj")
	qn, kn, in := w("self_attn.q_norm"), w("self_attn.k_norm"), w("input_layernorm")
	hd := r.c.HeadDim
	var keys, values [][]float64
	for pos := range x {
		h := r.norm(x[pos], in)
		q, k, v := r.norm(matvec(wq, h), qn), r.norm(matvec(wk, h), kn), matvec(wv, h)
		r.clip(q)
		r.clip(k)
		r.clip(v)
		r.rotate(q, pos)
		r.rotate(k, pos)
		keys, values = append(keys, k), append(values, v)
		out := make([]float64, len(q))
		for head := range r.c.NumHeads {
			kv := head / (r.c.NumHeads / r.c.NumKVHeads)
			p := make([]float64, pos+1)
			for j := range p {
				for i := range hd {
					p[j] += q[head*hd+i] * keys[j][kv*hd+i] / math.Sqrt(float64(hd))
				}
			}
			softmax(p)
			for j := range p {
				for i := range hd {
					out[head*hd+i] += p[j] * values[j][kv*hd+i]
				}
			}
		}
		for i, v := range matvec(wo, out) {
			x[pos][i] += v
		}
	}
}

func (r *reference) mixture(x []float64, w func(string) []float64) {
	h := r.norm(x, w("post_attention_layernorm"))
	p := matvec(w("mlp.gate"), h)
	softmax(p)
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return -compareFloat(p[a], p[b]) })
	order = order[:r.c.NumExpertsPerTok]
	sum := 1.0
	if r.c.NormTopKProb {
		sum = 0
		for _, e := range order {
			sum += p[e]
		}
	}
	for _, e := range order {
		part := func(name string) []float64 { return w(fmt.Sprintf("mlp.experts.%d.%s_proj", e, name)) }
		g, u := matvec(part("gate"), h), matvec(part("up"), h)
		for i := range g {
			g[i] *= u[i] / (1 + math.Exp(-g[i]))
		}
		for i, v := range matvec(part("down"), g) {
			x[i] += v * p[e] / sum
		}
	}
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// variants are the ways in which OLMoE configurations differ.
func variants() map[string]func(*synth.Options) {
	return map[string]func(*synth.Options){
		"as published":     func(*synth.Options) {},
		"GQA":              func(o *synth.Options) { o.KVHeads = 2 },
		"MQA":              func(o *synth.Options) { o.KVHeads = 1 },
		"tied":             func(o *synth.Options) { o.Tied = true },
		"clip_qkv":         func(o *synth.Options) { o.ClipQKV = 0.7 },
		"norm_topk_prob":   func(o *synth.Options) { o.NormTopKProb = true },
		"f16":              func(o *synth.Options) { o.DType = tensor.F16 },
		"f32, three files": func(o *synth.Options) { o.DType, o.Shards = tensor.F32, 3 },
		"other sizes": func(o *synth.Options) {
			o.HiddenSize, o.Heads, o.KVHeads, o.IntermediateSize = 72, 6, 3, 40
			o.Experts, o.ExpertsPerTok, o.VocabSize, o.EOSTokenID, o.RopeTheta = 10, 3, 333, 332, 500
		},
		"every expert": func(o *synth.Options) { o.Experts, o.ExpertsPerTok = 4, 4 },
	}
}

func write(t *testing.T, change func(*synth.Options)) string {
	t.Helper()
	o := synth.Tiny()
	o.Layers, o.MaxPositions, o.Tokenizer = 2, 128, false
	change(&o)
	dir := t.TempDir()
	if err := synth.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func prompt(n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((i*i*31 + i*7 + n) % vocab)
	}
	return ids
}

func TestVariantsMatchReference(t *testing.T) {
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			r := open(t, write(t, change), 64)
			ck, err := checkpoint.Open(write(t, change))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ck.Close() }()
			ids := prompt(21, r.Config().VocabSize)
			want := (&reference{t, ck, ck.Config()}).logits(ids)
			got := logits(t, r, ids, 64)
			for i := range want {
				if d := math.Abs(want[i] - float64(got[i])); !(d <= 2e-4) {
					t.Fatalf("logit %d is %g, want %g", i, got[i], want[i])
				}
			}
		})
	}
}

// Invariant 1: the same bits however the prompt is cut into chunks.
func TestChunksDoNotChangeBits(t *testing.T) {
	r := open(t, write(t, func(o *synth.Options) { o.KVHeads = 2 }), 64)
	ids := prompt(61, r.Config().VocabSize)
	for _, kvType := range []tensor.DType{tensor.F32, tensor.BF16} {
		want := logitsWith(t, r, kvType, ids, 61)
		for _, chunk := range []int{1, 2, 5, 6, 7, 15, 16, 17, 60} {
			if !slices.Equal(want, logitsWith(t, r, kvType, ids, chunk)) {
				t.Errorf("%v: chunks of %d give other bits", kvType, chunk)
			}
		}
	}
}

// failing experts answer nothing.
type failing struct{}

func (failing) Do(context.Context, int, []float32, int, []int32, []float32) error {
	return context.DeadlineExceeded
}

// Invariant 2: a step whose experts fail yields nothing, and can be repeated.
func TestFailedStepCanBeRepeated(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 64)
	ids := prompt(20, 500)
	want := logits(t, r, ids, 64)
	good := r.experts
	r.experts = failing{}
	pages := newPages(r.Trunk, tensor.F32, 1<<20)
	kv := Cache{Pages: []*Page{pages.Get(), pages.Get()}}
	var rows []Row
	for p, id := range ids {
		rows = append(rows, Row{Token: id, Pos: p, KV: &kv})
	}
	if hidden, err := r.Step(context.Background(), rows, nil); err == nil || hidden != nil {
		t.Fatalf("a step without experts gave %v, %v", hidden, err)
	}
	r.experts = good
	hidden, err := r.Step(context.Background(), rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(want))
	r.Logits(got, hidden[19*r.Config().HiddenSize:], 1)
	if !slices.Equal(want, got) {
		t.Error("the repetition gives other bits")
	}
}

func TestGateOrderTiesAndNaN(t *testing.T) {
	ids, weights := make([]int32, 3), make([]float32, 3)
	gap := gate([]float32{1, 3, 3, -2, 2}, ids, weights, false)
	if !slices.Equal(ids, []int32{1, 2, 4}) || weights[0] != weights[1] || weights[1] <= weights[2] || gap <= 0 {
		t.Errorf("ids %v weights %v gap %g", ids, weights, gap)
	}
	gate([]float32{1, 3, 3, -2, 2}, ids, weights, true)
	if sum := weights[0] + weights[1] + weights[2]; math.Abs(float64(sum-1)) > 1e-6 {
		t.Errorf("normalised weights sum to %g", sum)
	}
	nan := float32(math.NaN())
	gate([]float32{nan, nan, nan, nan}, ids, weights, false)
	if !slices.Equal(ids, []int32{0, 1, 2}) || weights[0] == weights[0] {
		t.Errorf("NaN row: ids %v weights %v", ids, weights)
	}
}

func TestPagesAreBounded(t *testing.T) {
	r := open(t, write(t, func(*synth.Options) {}), 4)
	for dtype, bytes := range map[tensor.DType]int64{
		tensor.F32:  16 << 10, // 2 layers x 2 x 16 x 64 x 4 B a page
		tensor.BF16: 8 << 10,
	} {
		p := newPages(r.Trunk, dtype, 2*bytes)
		a, b := p.Get(), p.Get()
		if a == nil || b == nil || p.Get() != nil || p.InUse() != 2 || p.Total() != 2 || int64(len(a.data)) != bytes {
			t.Fatalf("%v: %d of %d pages in use, of %d bytes", dtype, p.InUse(), p.Total(), len(a.data))
		}
		p.Put(a)
		if p.Get() != a {
			t.Errorf("%v: a page is not used again", dtype)
		}
	}
}
