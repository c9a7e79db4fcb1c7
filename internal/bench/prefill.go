package bench

import (
	"context"
	"time"
)

// prefill measures the time to the first token of a long prompt that no router has
// seen.
func (b *bench) prefill(ctx context.Context, c *client, tokens int) (outcome, error) {
	r := outcome{Result: Result{Name: "prefill", Batch: 1, Tokens: tokens}}
	b.prompts++
	prompt := c.prompt(b.prompts, tokens)
	before, err := c.scrape(ctx)
	if err != nil {
		return r, err
	}
	start := time.Now()
	times, err := c.stream(ctx, prompt, 1)
	if err != nil {
		return r, err
	}
	after, err := c.scrape(ctx)
	if err != nil {
		return r, err
	}
	seconds := times[0].Sub(start).Seconds()
	r.SecondsP50, r.TokensPerSecond = seconds, float64(tokens)/seconds
	all := float64(b.cfg.NumLayers * b.cfg.NumExperts)
	// A prompt in several steps activates experts several times; once would do.
	active := min(all, after.activations-before.activations)
	w := work{rows: float64(tokens), logitRows: 1, experts: active}
	r.fraction = func(l Limits) float64 { return b.cost.step(l, w) / seconds }
	return r, nil
}
