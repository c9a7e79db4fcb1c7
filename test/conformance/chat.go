package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
)

// chatChecks are of a model with a chat template, or the one that says that it
// has none.
func chatChecks(s *suite) []check {
	if !s.hasChat {
		return []check{{"chat: refused without a chat template", func(ctx context.Context, s *suite) error {
			_, err := s.Chat.Completions.New(ctx, s.chat(openai.Int(1)))
			return wantError(err, http.StatusBadRequest, "messages")
		}}}
	}
	return []check{
		{"chat: shape", chatShape},
		{"chat: text parts and the developer role", chatParts},
		{"chat: streaming, with the accumulator", chatStreaming},
		{"chat: logprobs", chatLogprobs},
		{"chat: n", chatChoices},
	}
}

func (s *suite) chat(maxTokens param.Opt[int64]) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: s.model, MaxCompletionTokens: maxTokens,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage("Say hello.")}}
}

func chatShape(ctx context.Context, s *suite) error {
	r, err := s.Chat.Completions.New(ctx, s.chat(openai.Int(8)), ignoreEOS)
	if err != nil {
		return err
	}
	c := r.Choices[0]
	if string(r.Object) != "chat.completion" || !strings.HasPrefix(r.ID, "chatcmpl-") || string(c.Message.Role) != "assistant" ||
		c.FinishReason != "length" || r.Usage.CompletionTokens != 8 {
		return fmt.Errorf("answer %s", r.RawJSON())
	}
	return nil
}

func chatParts(ctx context.Context, s *suite) error {
	plain := s.chat(openai.Int(6))
	plain.Temperature = openai.Float(0)
	parts := plain
	parts.Messages = []openai.ChatCompletionMessageParamUnion{
		openai.DeveloperMessage([]openai.ChatCompletionContentPartTextParam{{Text: "Be brief."}}),
		openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("Say hello.")}),
	}
	a, err := s.Chat.Completions.New(ctx, plain)
	if err != nil {
		return err
	}
	b, err := s.Chat.Completions.New(ctx, parts)
	if err != nil {
		return err
	}
	if a.Choices[0].Message.Content != b.Choices[0].Message.Content || a.Usage.PromptTokens != b.Usage.PromptTokens {
		return fmt.Errorf("strings %s, parts %s", a.RawJSON(), b.RawJSON())
	}
	return nil
}

func chatStreaming(ctx context.Context, s *suite) error {
	p := s.chat(openai.Int(10))
	p.Seed = openai.Int(3)
	whole, err := s.Chat.Completions.New(ctx, p)
	if err != nil {
		return err
	}
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := s.Chat.Completions.NewStreaming(ctx, p)
	sum := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		if !sum.AddChunk(stream.Current()) {
			return fmt.Errorf("a chunk that does not fit: %s", stream.Current().RawJSON())
		}
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	if sum.Choices[0].Message.Content != whole.Choices[0].Message.Content || sum.Usage.TotalTokens != whole.Usage.TotalTokens ||
		string(sum.Choices[0].Message.Role) != "assistant" {
		return fmt.Errorf("streamed %+v, answered %s", sum.ChatCompletion, whole.RawJSON())
	}
	return nil
}

func chatLogprobs(ctx context.Context, s *suite) error {
	p := s.chat(openai.Int(4))
	p.Logprobs, p.TopLogprobs, p.Temperature = openai.Bool(true), openai.Int(2), openai.Float(0)
	r, err := s.Chat.Completions.New(ctx, p, ignoreEOS)
	if err != nil {
		return err
	}
	content := r.Choices[0].Logprobs.Content
	if len(content) != 4 {
		return fmt.Errorf("%d entries, want 4", len(content))
	}
	for _, t := range content {
		if t.Logprob > 0 || len(t.TopLogprobs) != 2 || t.TopLogprobs[0].Logprob != t.Logprob {
			return fmt.Errorf("entry %s", t.RawJSON())
		}
	}
	return nil
}

func chatChoices(ctx context.Context, s *suite) error {
	p := s.chat(openai.Int(4))
	p.N = openai.Int(2)
	r, err := s.Chat.Completions.New(ctx, p)
	if err != nil {
		return err
	}
	if len(r.Choices) != 2 || r.Choices[0].Index != 0 || r.Choices[1].Index != 1 {
		return fmt.Errorf("choices %s", r.RawJSON())
	}
	return nil
}
