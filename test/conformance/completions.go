package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

var completionChecks = []check{
	{"models: list and retrieve", models},
	{"completion: shape and defaults", shape},
	{"completion: four forms of prompt", promptForms},
	{"completion: streaming equals not streaming, with usage", streaming},
	{"completion: logprobs", logprobs},
	{"completion: echo with logprobs", echo},
	{"completion: n and seed", choicesAndSeed},
	{"completion: stop string", stopString},
	{"completion: abort in mid-stream, and the server goes on", abort},
}

func (s *suite) completion(text string, maxTokens int64) openai.CompletionNewParams {
	return openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(s.model), MaxTokens: openai.Int(maxTokens),
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(text)}}
}

// ignoreEOS is vLLM's: exactly max_tokens tokens come.
var ignoreEOS = option.WithJSONSet("ignore_eos", true)

func models(ctx context.Context, s *suite) error {
	m, err := s.Models.Get(ctx, s.model)
	if err != nil {
		return err
	}
	if m.ID != s.model || m.Created <= 0 || m.OwnedBy == "" {
		return fmt.Errorf("model %+v", m)
	}
	pages := s.Models.ListAutoPaging(ctx)
	n := 0
	for pages.Next() {
		n++
	}
	if pages.Err() != nil || n != 1 {
		return fmt.Errorf("%d models: %w", n, pages.Err())
	}
	return nil
}

func shape(ctx context.Context, s *suite) error {
	p := s.completion(prompt, 1)
	p.MaxTokens = openai.CompletionNewParams{}.MaxTokens // OpenAI's default, 16
	r, err := s.Completions.New(ctx, p)
	if err != nil {
		return err
	}
	u := r.Usage
	if string(r.Object) != "text_completion" || !strings.HasPrefix(r.ID, "cmpl-") || r.Model != s.model || len(r.Choices) != 1 ||
		u.PromptTokens == 0 || u.CompletionTokens > 16 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		return fmt.Errorf("answer %s", r.RawJSON())
	}
	return nil
}

func promptForms(ctx context.Context, s *suite) error {
	greedy := []option.RequestOption{option.WithJSONSet("return_token_ids", true), option.WithJSONSet("temperature", 0)}
	first, err := s.Completions.New(ctx, s.completion(prompt, 3), greedy...)
	if err != nil {
		return err
	}
	var ids []int64
	if err := json.Unmarshal([]byte(first.Choices[0].JSON.ExtraFields["prompt_token_ids"].Raw()), &ids); err != nil {
		return fmt.Errorf("prompt_token_ids: %w", err)
	}
	for _, form := range []openai.CompletionNewParamsPromptUnion{
		{OfArrayOfStrings: []string{prompt, prompt}}, {OfArrayOfTokens: ids}, {OfArrayOfTokenArrays: [][]int64{ids, ids}},
	} {
		p := s.completion("", 3)
		p.Prompt = form
		r, err := s.Completions.New(ctx, p, greedy...)
		if err != nil {
			return err
		}
		for _, c := range r.Choices {
			if c.Text != first.Choices[0].Text {
				return fmt.Errorf("text %q, as a string %q", c.Text, first.Choices[0].Text)
			}
		}
	}
	return nil
}

func streaming(ctx context.Context, s *suite) error {
	p := s.completion(prompt, 12)
	p.Seed, p.N = openai.Int(7), openai.Int(2)
	whole, err := s.Completions.New(ctx, p)
	if err != nil {
		return err
	}
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := s.Completions.NewStreaming(ctx, p)
	texts, usage := make([]string, 2), openai.CompletionUsage{}
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			texts[c.Index] += c.Text
		}
		usage = stream.Current().Usage
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	for i, c := range whole.Choices {
		if c.Text != texts[i] {
			return fmt.Errorf("choice %d: %q, streamed %q", i, c.Text, texts[i])
		}
	}
	if usage.TotalTokens != whole.Usage.TotalTokens {
		return fmt.Errorf("usage %d, streamed %d", whole.Usage.TotalTokens, usage.TotalTokens)
	}
	return nil
}

func logprobs(ctx context.Context, s *suite) error {
	p := s.completion(prompt, 5)
	p.Logprobs, p.Temperature = openai.Int(3), openai.Float(0)
	r, err := s.Completions.New(ctx, p, ignoreEOS)
	if err != nil {
		return err
	}
	lp := r.Choices[0].Logprobs
	if len(lp.Tokens) != 5 || len(lp.TokenLogprobs) != 5 || len(lp.TopLogprobs) != 5 || len(lp.TextOffset) != 5 {
		return fmt.Errorf("lists of other lengths: %s", lp.RawJSON())
	}
	for i, p := range lp.TokenLogprobs {
		for name, q := range lp.TopLogprobs[i] {
			if p > 0 || q > p {
				return fmt.Errorf("token %d: %v, but %q has %v", i, p, name, q)
			}
		}
	}
	return nil
}

func echo(ctx context.Context, s *suite) error {
	p := s.completion(prompt, 0)
	p.Echo, p.Logprobs = openai.Bool(true), openai.Int(1)
	r, err := s.Completions.New(ctx, p)
	if err != nil {
		return err
	}
	c := r.Choices[0]
	if c.Text != prompt || int64(len(c.Logprobs.Tokens)) != r.Usage.PromptTokens || !slices.IsSorted(c.Logprobs.TextOffset) {
		return fmt.Errorf("choice %s", c.RawJSON())
	}
	return nil
}

func choicesAndSeed(ctx context.Context, s *suite) error {
	ask := func(n int64) (texts []string, err error) {
		p := s.completion(prompt, 16)
		p.Seed, p.N = openai.Int(42), openai.Int(n)
		r, err := s.Completions.New(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, c := range r.Choices {
			texts = append(texts, c.Text)
		}
		return texts, nil
	}
	a, err1 := ask(3)
	b, err2 := ask(3)
	one, err3 := ask(1)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if !slices.Equal(a, b) || one[0] != a[0] || a[0] == a[1] && a[1] == a[2] {
		return fmt.Errorf("answers %q, again %q, alone %q", a, b, one)
	}
	return nil
}

func stopString(ctx context.Context, s *suite) error {
	p := s.completion(prompt, 24)
	p.Seed = openai.Int(11)
	whole, err := s.Completions.New(ctx, p, ignoreEOS)
	if err != nil {
		return err
	}
	text := []rune(whole.Choices[0].Text)
	if len(text) < 6 {
		return fmt.Errorf("text too short to cut: %q", string(text))
	}
	stop := string(text[3:6]) // may begin and end inside tokens
	p.Stop.OfStringArray = []string{stop, "no such text"}
	cut, err := s.Completions.New(ctx, p, ignoreEOS)
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(string(text), stop)
	if c := cut.Choices[0]; c.Text != before || c.FinishReason != "stop" {
		return fmt.Errorf("text %q finish %q, want %q before %q", c.Text, c.FinishReason, before, stop)
	}
	return nil
}

func abort(ctx context.Context, s *suite) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := s.Completions.NewStreaming(inner, s.completion(prompt, 200), ignoreEOS)
	for range 2 {
		if !stream.Next() {
			return fmt.Errorf("the stream ended: %w", stream.Err())
		}
	}
	cancel()
	for stream.Next() {
	}
	if !errors.Is(stream.Err(), context.Canceled) {
		return fmt.Errorf("after the abort: %w", stream.Err())
	}
	_, err := s.Completions.New(ctx, s.completion(prompt, 1))
	return err
}
