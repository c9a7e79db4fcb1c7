package sampling

import (
	"fmt"
	"math"
	"sort"
	"sync"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// greedyBelow: under this temperature the draw is the argmax (vLLM's bound).
// Dividing logits by less would overflow float32.
const greedyBelow = 1e-5

// Sampler draws the tokens of one sequence. It is not for concurrent use;
// different Samplers are independent.
type Sampler struct {
	p       engine.Sampling
	vocab   int
	history *history // nil without penalties
	step    uint64   // tokens drawn so far; with the seed it determines the next draw
}

// New returns a Sampler for one sequence. vocab is the number of logits of
// each row; prompt matters to the repetition penalty only.
func New(p engine.Sampling, prompt []int32, vocab int) *Sampler {
	return &Sampler{p: p, vocab: vocab, history: newHistory(&p, prompt)}
}

// scratch is what one call of Next needs. It is pooled so that memory grows
// with the calls that run at once and not with the sequences, and a token in
// steady state allocates nothing.
type scratch struct {
	work  []float32   // the logits after steps 1 to 6
	cum   []float64   // running sums of weights, without filters
	cands []candidate // what the filters look at
}

var pool = sync.Pool{New: func() any { return new(scratch) }}

// Next draws one token from a row of vocab logits and records it. logits are
// not modified; ids in banned are never drawn. It fails, and draws nothing, if
// a logit is NaN or +Inf or if no token is left to draw.
func (s *Sampler) Next(logits []float32, banned []int32) (int32, error) {
	if len(logits) != s.vocab {
		return 0, fmt.Errorf("sampling: %d logits for a vocabulary of %d", len(logits), s.vocab)
	}
	buf := pool.Get().(*scratch)
	defer pool.Put(buf)
	buf.work = append(buf.work[:0], logits...)
	s.adjust(buf.work, banned)
	top, err := argmax(buf.work)
	if err != nil {
		return 0, err
	}
	token := top
	if s.p.Temperature >= greedyBelow {
		token = s.draw(buf, buf.work[top])
	}
	if s.history != nil {
		s.history.add(token, 1)
	}
	s.step++
	return token, nil
}

// argmax returns the lowest id of the largest value. It refuses what no
// correct forward pass or request can give, so that it never turns into text.
func argmax(x []float32) (int32, error) {
	best, at := float32(math.Inf(-1)), -1
	for i, v := range x {
		if v != v || v > math.MaxFloat32 {
			return 0, fmt.Errorf("sampling: the logit of token %d is %v", i, v)
		}
		if v > best {
			best, at = v, i
		}
	}
	if at < 0 {
		return 0, fmt.Errorf("sampling: every token is banned or has probability 0")
	}
	return int32(at), nil
}

// draw applies steps 6 to 8 of the package comment. top is the largest value.
func (s *Sampler) draw(buf *scratch, top float32) int32 {
	t := s.p.Temperature
	for i, v := range buf.work {
		buf.work[i] = (v - top) / t // largest is 0: no overflow at a low temperature
	}
	u := uniform(s.p.Seed, s.step)
	if !s.filters() {
		return buf.pickAny(u)
	}
	return pick(buf.keep(s.cut(s.candidates(buf))), u)
}

func (s *Sampler) filters() bool {
	return s.limited() || s.p.TopP > 0 && s.p.TopP < 1 || s.p.MinP > 0
}

func (s *Sampler) limited() bool { return s.p.TopK > 0 && s.p.TopK < s.vocab }

// pickAny draws from the whole vocabulary, as pick does.
func (b *scratch) pickAny(u float64) int32 {
	b.cum = b.cum[:0]
	sum := 0.0
	for _, v := range b.work {
		sum += exp(float64(v))
		b.cum = append(b.cum, sum)
	}
	target := float64(u * sum)
	at := sort.Search(len(b.cum), func(i int) bool { return b.cum[i] > target })
	return int32(min(at, len(b.cum)-1))
}

// candidates lists what may pass top_k (all, without it), weighed.
func (s *Sampler) candidates(b *scratch) []candidate {
	k := s.vocab
	if s.limited() {
		k = s.p.TopK
	}
	b.cands = top(b.work, k, b.cands[:0])
	for i := range b.cands {
		b.cands[i].weight = exp(float64(b.cands[i].value))
	}
	return b.cands
}

// cut returns the last candidate, in the order, that top_p and min_p leave. c is
// reordered.
func (s *Sampler) cut(c []candidate) candidate {
	if s.p.TopP > 0 && s.p.TopP < 1 {
		c = c[:prefix(c, float64(s.p.TopP)*measure(c, true), true)]
	}
	last := candidate{value: float32(math.Inf(1))}
	for _, x := range c {
		if x.weight >= float64(s.p.MinP) && last.before(x) { // the largest weight is 1
			last = x
		}
	}
	return last
}

// keep lists the candidates up to last again in id order, weighed: the draw
// must not depend on how the selection shuffled them.
func (b *scratch) keep(last candidate) []candidate {
	b.cands = b.cands[:0]
	for i, v := range b.work {
		x := candidate{value: v, id: int32(i)}
		if v >= last.value && !last.before(x) {
			x.weight = exp(float64(v))
			b.cands = append(b.cands, x)
		}
	}
	return b.cands
}

// pick returns the candidate at which the running sum of weights passes u
// times their total; u in [0, 1). Rounding can leave the sum just short of
// it: then it is the last one.
func pick(c []candidate, u float64) int32 {
	target := float64(u * measure(c, true))
	sum := 0.0
	for i := range c {
		sum += c[i].weight
		if sum > target {
			return c[i].id
		}
	}
	return c[len(c)-1].id
}
