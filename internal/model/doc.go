// Package model is OLMoE itself: the trunk that a router runs (embedding,
// attention, gating, combine, head) and the experts that an expert node runs.
//
// It implements OlmoeForCausalLM as in Hugging Face transformers 4.45 - 4.49
// with float32 activations. Invariant 1 is kept here: every row's arithmetic has
// one order, whatever rows stand beside it in a batch, however the prompt was cut
// into chunks, and wherever the experts live. So all loops run over rows that
// never mix, attention walks positions upward from 0, and the combine adds
// experts in the gate's own order.
package model
