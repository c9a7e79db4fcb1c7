package bench

import (
	"context"
	"errors"
	"time"
)

// decodeBatch measures batch sequences that generate at once after short prompts.
func (b *bench) decodeBatch(ctx context.Context, c *client, batch int) (outcome, error) {
	return b.decode(ctx, c, batch, 0, decodePrompt)
}

// decodeContext measures one sequence after a prompt of so many tokens. Longer
// prompts begin with the shorter ones, which routers have computed already.
func (b *bench) decodeContext(ctx context.Context, c *client, context int) (outcome, error) {
	return b.decode(ctx, c, 1, b.prompts, context)
}

// decode measures batch sequences that generate at once, their prompts numbered
// from first on. Where a model is so small that one ends before another has begun,
// each generates more.
func (b *bench) decode(ctx context.Context, c *client, batch, first, prompt int) (outcome, error) {
	for tokens := decodeTokens; ; tokens *= 2 {
		o, err := b.generate(ctx, c, batch, first, prompt, tokens)
		if !errors.Is(err, errApart) || prompt+2*tokens > b.cfg.MaxPositionEmbeddings {
			return o, err
		}
	}
}

// errApart: sequences that should generate at once did not.
var errApart = errors.New("the sequences did not overlap: more run than --max-sequences, or the model is too small")

// generate is one try: tokens count between the moment when all sequences have begun
// and the moment when the first ends.
func (b *bench) generate(ctx context.Context, c *client, batch, first, prompt, tokens int) (outcome, error) {
	r := outcome{Result: Result{Name: "decode", Batch: batch, Tokens: tokens, Context: prompt}}
	before, err := c.counters(ctx)
	if err != nil {
		return r, err
	}
	times, err := c.streams(ctx, batch, first, prompt, tokens)
	if err != nil {
		return r, err
	}
	after, err := c.counters(ctx)
	if err != nil {
		return r, err
	}
	count, span := overlap(times)
	if count == 0 {
		return r, errApart
	}
	r.TokensPerSecond = float64(count) / span.Seconds()
	r.SecondsP50 = median(gaps(times))
	r.AllocationsPerToken = (after.mallocs - before.mallocs - after.scrape) / float64(batch*tokens)
	active := (after.activations - before.activations) / float64(tokens) // the first step is the prompt's, the others decode
	w := work{rows: float64(batch), logitRows: float64(batch), experts: active, positions: float64(batch * (prompt + tokens/2))}
	perToken := span.Seconds() / float64(count)
	r.fraction = func(l Limits) float64 { return b.cost.step(l, w) / float64(batch) / perToken }
	return r, nil
}

// overlap counts the tokens between the last first token and the first last one.
func overlap(times [][]time.Time) (count int, span time.Duration) {
	start, end := times[0][0], times[0][len(times[0])-1]
	for _, t := range times {
		if t[0].After(start) {
			start = t[0]
		}
		if last := t[len(t)-1]; last.Before(end) {
			end = last
		}
	}
	for _, t := range times {
		for _, at := range t {
			if at.After(start) && !at.After(end) {
				count++
			}
		}
	}
	return count, end.Sub(start)
}

// gaps are the seconds between two tokens of a sequence, of all sequences.
func gaps(times [][]time.Time) (s []float64) {
	for _, t := range times {
		for i := 1; i < len(t); i++ {
			s = append(s, t[i].Sub(t[i-1]).Seconds())
		}
	}
	return s
}
