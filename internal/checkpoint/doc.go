// Package checkpoint reads Hugging Face OLMoE checkpoint directories:
// config.json and safetensors files, single or sharded. Weights are memory
// mapped; a process touches only the bytes of the tensors it loads.
//
// # Files
//
//	checkpoint, weights            an open directory, and the form of weights that is computed with
//	config, config_fields          config.json: what the model's sizes are, and which models are refused
//	json, fields                   JSON of bounded size, and its fields with their limits
//	names, index, header, shard    the tensors: what they are called, in which file, where in it
//	load, finite, advise           weights into memory, and out of it again
//	fingerprint, watch, sidefile   which weights these are, and whether the files still hold them
//	guard                          a mapped file that was cut short: an error, not the end of the process
//	errors                         what is wrong, and in which file
package checkpoint
