// Package model is OLMoE itself: the trunk that a router runs (embedding,
// attention, gating, combine, head) and the experts that an expert node runs.
//
// It implements OlmoeForCausalLM as in Hugging Face transformers 4.45 - 4.49
// with float32 activations. Invariant 1 is kept here: every row's arithmetic has
// one order, whatever rows stand beside it in a batch, however the prompt was cut
// into chunks, and wherever the experts live. So all loops run over rows that
// never mix, attention walks positions upward from 0, and the combine adds
// experts in the gate's own order.
//
// # Files
//
//	trunk, trunk_load       the router's weights, and how they come into memory
//	forward, batch          a step: its rows, its memory, its way through the layers
//	attention, tile, rope   the attention block, a few rows of a sequence at a time
//	gate                    which experts a row gets, with which weights
//	part                    large steps as two halves, one here and one at the experts
//	kv, kvtype, prefix      pages of keys and values, their type, and those that prompts share
//	expert, local           one expert's arithmetic; all of them in this process
//	quantise, cache         weights in 8-bit form, and where it is kept between starts
package model
