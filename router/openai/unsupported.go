package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// fixed lists fields that this server does not act on, with the values that ask
// for what it does anyway ("*" = any). Any other value would change the answer,
// so it is refused by name and never ignored. A value is compared as compact
// JSON.
var fixed = map[string][]string{
	// About the caller or the bill: no answer depends on them.
	"user": {"*"}, "metadata": {"*"}, "safety_identifier": {"*"}, "prompt_cache_key": {"*"},
	"prompt_cache_retention": {"*"}, "prompt_cache_options": {"*"}, "store": {"false"}, "service_tier": {`"auto"`, `"default"`},
	// OpenAI's features that the model or server lacks.
	"suffix": {`""`}, "tools": {"[]"}, "tool_choice": {`"none"`, `"auto"`}, "parallel_tool_calls": {"true", "false"},
	"functions": {"[]"}, "function_call": {`"none"`, `"auto"`}, "response_format": {`{"type":"text"}`},
	"modalities": {`["text"]`}, "audio": {}, "prediction": {}, "web_search_options": {}, "moderation": {},
	"reasoning_effort": {`"none"`}, "verbosity": {`"medium"`},
	// vLLM's.
	"use_beam_search": {"false"}, "length_penalty": {"1", "1.0"}, "spaces_between_special_tokens": {"true"},
	"truncate_prompt_tokens": {}, "truncation_side": {}, "allowed_token_ids": {}, "bad_words": {"[]"},
	"prompt_logprobs": {}, "prompt_embeds": {}, "structured_outputs": {}, "guided_json": {}, "guided_regex": {},
	"guided_choice": {}, "guided_grammar": {}, "logits_processors": {}, "priority": {"0"},
	"return_tokens_as_token_ids": {"false"}, "cache_salt": {}, "kv_transfer_params": {}, "vllm_xargs": {"{}"},
	"documents": {"[]"}, "chat_template": {}, "mm_processor_kwargs": {"{}"}, "include_reasoning": {"true", "false"},
	"detokenize": {"true"},
}

// refuseUnsupported takes all fields of the list above.
func refuseUnsupported(f *fields) {
	for _, name := range sortedKeys(f.raw) {
		accepted, known := fixed[name]
		if !known {
			continue
		}
		raw, given := f.take(name)
		if given && !slices.Contains(accepted, "*") && !slices.Contains(accepted, compact(raw)) {
			f.fail(name, "is not supported by this server%s", onlyValues(accepted))
		}
	}
}

func onlyValues(accepted []string) string {
	if len(accepted) == 0 {
		return ""
	}
	return " with this value (only " + strings.Join(accepted, " or ") + ")"
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}
