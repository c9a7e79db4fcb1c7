package openai

import (
	"math"
	"math/rand/v2"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/sampling"
)

// Bounds of single fields (invariant 8), each with its reason.
const (
	maxLogprobs    = 20      // OpenAI's and vLLM's; each costs response size
	maxScores      = 1 << 20 // of a request together: 128 prompts of 4096 tokens with logprobs 1 take some 150 MiB
	maxLogitBias   = 1024    // applied to every token; OpenAI documents 300
	maxStops       = 16      // matched after every token; OpenAI allows 4
	maxStopBytes   = 1024    // held back at most so much text
	maxStopTokens  = 256
	maxRepetition  = 100  // a factor: far outside what is useful, far inside float32
	minRepetition  = 0.01 // likewise
	maxTemperature = 2    // OpenAI's
	maxPenalty     = 2    // OpenAI's, both signs
	maxBias        = 100  // OpenAI's: as good as a ban, or as certain
)

// params are the fields that completions and chat share.
type params struct {
	engine.Request      // all but Prompt; each choice gets a copy
	seeded         bool // the client gave a seed
	n              int
	stops          []string
	includeStop    bool
	keepSpecial    bool
	returnIDs      bool
	stream         bool
	includeUsage   bool // one more event with the usage at the end of a stream
	runningUsage   bool // and a usage in every event
	echo           bool
	maxTokensGiven bool
	maxTokensParam string // the field that gave it, for messages
	promptParam    string // likewise: prompt or messages
}

// parseParams reads all fields that completions and chat share, but for max_tokens,
// logprobs and echo, which the two have in different forms.
func (ps *parser) parseParams(f *fields) params {
	p := params{keepSpecial: !f.boolean("skip_special_tokens", true)}
	ps.parseModel(f)
	p.n = int(f.integer("n", 1, 1, int64(ps.maxChoices)))
	if best := f.integer("best_of", int64(p.n), 1, math.MaxInt64); best != int64(p.n) {
		f.fail("best_of", "must equal n: choosing among more candidates than are returned is not supported")
	}
	parseSampling(f, &p.Sampling)
	p.parseSeed(f)
	p.LogitBias = ps.parseLogitBias(f)
	p.parseStream(f)
	ps.parseEnding(f, &p)
	p.returnIDs = f.boolean("return_token_ids", false)
	p.Logprobs, p.PromptLogprobs = -1, -1
	return p
}

// parseModel refuses any other model than the one that is served.
func (ps *parser) parseModel(f *fields) {
	name := f.text("model", ps.model)
	if name != ps.model && f.err == nil {
		f.err = unknownModel(name, ps.model)
	}
}

func parseSampling(f *fields, p *engine.Sampling) {
	p.Temperature = float32(f.number("temperature", 1, 0, maxTemperature))
	p.TopP = float32(f.number("top_p", 1, 0, 1))
	if p.TopP <= 0 {
		f.fail("top_p", "must be above 0: at 0 no token is left (for greedy decoding set temperature to 0)")
	}
	p.TopK = int(f.integer("top_k", 0, -1, math.MaxInt32))
	p.MinP = float32(f.number("min_p", 0, 0, 1))
	p.PresencePenalty = float32(f.number("presence_penalty", 0, -maxPenalty, maxPenalty))
	p.FrequencyPenalty = float32(f.number("frequency_penalty", 0, -maxPenalty, maxPenalty))
	p.RepetitionPenalty = float32(f.number("repetition_penalty", 1, minRepetition, maxRepetition))
}

func (p *params) parseSeed(f *fields) {
	p.seeded = f.given("seed")
	p.Seed = uint64(f.integer("seed", 0, math.MinInt64, math.MaxInt64))
}

// seedOf is the seed of choice i of any prompt. With a seed the choices are a
// function of it, so that adding prompts or choices changes no other; without
// one each sequence draws its own.
func (p *params) seedOf(i int) uint64 {
	if !p.seeded {
		return rand.Uint64() //nolint:gosec // a seed for sampling keeps no secret
	}
	return sampling.SeedOf(p.Seed, i)
}

func (ps *parser) parseLogitBias(f *fields) map[int32]float32 {
	sub := f.object("logit_bias")
	if sub == nil || len(sub.raw) == 0 {
		return nil
	}
	if len(sub.raw) > maxLogitBias {
		f.fail("logit_bias", "has %d entries, more than the %d allowed", len(sub.raw), maxLogitBias)
		return nil
	}
	bias := make(map[int32]float32, len(sub.raw))
	for _, key := range sortedKeys(sub.raw) {
		id, err := ps.tokenID(key)
		if err != nil {
			f.fail("logit_bias", "has the key %q, which is not a token id between 0 and %d", clip(key), ps.vocab-1)
			return nil
		}
		if _, twice := bias[id]; twice { // written in two ways: "5" and "05"
			f.fail("logit_bias", "has two keys for token %d, the second is %q", id, clip(key))
			return nil
		}
		bias[id] = float32(sub.number(key, 0, -maxBias, maxBias))
	}
	f.close(sub)
	return bias
}

func (p *params) parseStream(f *fields) {
	p.stream = f.boolean("stream", false)
	sub := f.object("stream_options")
	if sub == nil {
		return
	}
	p.includeUsage = sub.boolean("include_usage", false)
	p.runningUsage = sub.boolean("continuous_usage_stats", false) && p.includeUsage
	sub.boolean("include_obfuscation", false) // padding against traffic analysis; changes no content
	f.close(sub)
	if !p.stream {
		f.fail("stream_options", "is only allowed with stream set to true")
	}
}

// parseEnding reads what ends a sequence, but for max_tokens, whose default
// differs between the two endpoints.
func (ps *parser) parseEnding(f *fields, p *params) {
	p.IgnoreEOS = f.boolean("ignore_eos", false)
	p.MinTokens = int(f.integer("min_tokens", 0, 0, int64(ps.context)))
	p.includeStop = f.boolean("include_stop_str_in_output", false)
	p.stops = ps.parseStops(f)
	p.StopTokenIDs = ps.parseStopTokens(f)
}

func (ps *parser) parseStops(f *fields) []string {
	raw, ok := f.take("stop")
	if !ok {
		return nil
	}
	if n := elements(raw); n > maxStops {
		f.fail("stop", "has %d strings, more than the %d allowed", n, maxStops)
		return nil
	}
	stops, err := stringList(raw)
	switch {
	case err != nil:
		f.fail("stop", "must be a string or a list of strings")
	case len(stops) > 0 && !ps.hasText:
		f.fail("stop", "cannot be matched: this checkpoint has no tokenizer.json; use stop_token_ids")
	}
	for _, stop := range stops {
		if stop == "" || len(stop) > maxStopBytes {
			f.fail("stop", "has a string of %d bytes; allowed are 1 to %d", len(stop), maxStopBytes)
		}
	}
	return stops
}

func (ps *parser) parseStopTokens(f *fields) []int32 {
	raw, ok := f.take("stop_token_ids")
	if !ok {
		return nil
	}
	ids, err := ps.idList(raw)
	switch {
	case err != nil:
		f.fail("stop_token_ids", "%v", err)
	case len(ids) > maxStopTokens:
		f.fail("stop_token_ids", "has %d ids, more than the %d allowed", len(ids), maxStopTokens)
	}
	return ids
}
