package engine_test

import (
	"slices"
	"testing"
)

// prefilled submits prompts of these lengths, the others while the first one's first step
// runs, and tells how many prompt tokens had their first token drawn after each step.
func (r *rig) prefilled(t *testing.T, text func(i, n int) []int32, lengths []int, steps int) (after []float64) {
	t.Helper()
	begun, let := r.stepwise(t)
	for i, n := range lengths {
		r.submit(t, t.Context(), drawing(text(i, n), 1, 0))
		if i == 0 {
			<-begun
		}
	}
	for range steps {
		let <- struct{}{}
		<-begun
		after = append(after, r.metric(t, "olmoe_engine_prompt_tokens_total"))
	}
	return after
}

// Steps of 64 tokens: who has little left does not wait for who came before, the oldest
// keeps half, and equal prompts come one after the other.
func TestPromptsShareAStep(t *testing.T) {
	crowd := append([]int{200}, slices.Repeat([]int{30}, 12)...)
	for name, c := range map[string]struct {
		lengths []int
		after   []float64
	}{
		"one":                    {[]int{200}, []float64{0, 0, 0}},
		"equal":                  {[]int{200, 200}, []float64{0, 0, 0, 200, 200, 200}},
		"a short one":            {[]int{200, 201, 10}, []float64{0, 10, 10, 210}},
		"one half as long":       {[]int{200, 96}, []float64{0, 0, 0, 96}},
		"short ones all the way": {crowd, []float64{0, 30, 60, 90, 120, 380}},
	} {
		t.Run(name, func(t *testing.T) {
			got := start(t, limits()).prefilled(t, func(i, n int) []int32 { return text(i+1, n) }, c.lengths, len(c.after))
			if !slices.Equal(got, c.after) {
				t.Errorf("after each step %v prompt tokens are answered, want %v", got, c.after)
			}
		})
	}
}

// A short prompt that begins like the oldest waits for what that computes, and is on its
// way as soon as its own beginning is there.
func TestAShortPromptWaitsForItsPrefix(t *testing.T) {
	r := start(t, limits())
	begins := func(_, n int) []int32 { return text(1, n) }
	if got, want := r.prefilled(t, begins, []int{200, 100}, 3), []float64{0, 0, 100}; !slices.Equal(got, want) {
		t.Errorf("after each step %v prompt tokens are answered, want %v", got, want)
	}
	if got := r.metric(t, "olmoe_engine_rows_total"); got != 64+64+64 {
		t.Errorf("%g rows in three steps, want full ones", got)
	}
	if got := r.metric(t, "olmoe_engine_prefix_cached_tokens_total"); got != 96 {
		t.Errorf("%g tokens found, want all full pages", got)
	}
}
