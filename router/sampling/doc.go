// Package sampling turns a row of logits into one token.
//
// The order of operations is fixed (and the one vLLM documents, see
// docs/adr/0050-sampling-order.md):
//
//  1. banned ids are set to -Inf (min_tokens: EOS and stop tokens)
//  2. logit_bias is added
//  3. repetition penalty: a seen token's logit is divided by it if positive,
//     multiplied if not; seen = in the prompt or already generated
//  4. frequency penalty x count, then the presence penalty once, are
//     subtracted; only generated tokens count
//  5. temperature 0 (below 1e-5): the largest logit, the lowest id on a tie
//  6. logits are divided by the temperature
//  7. top_k, then top_p, then min_p: each keeps a prefix of the order
//     (logit descending, id ascending); top_p's mass is of what top_k left
//  8. one uniform number draws from what is left, in ascending id order
//
// The uniform number is a pure function of (seed, how many tokens this
// sequence has sampled). Nothing else goes in, so an answer is the same
// whatever batch, router or retry it is computed in (invariant 1), and all
// arithmetic has one order and no fused multiply-add that some CPUs lack.
package sampling
