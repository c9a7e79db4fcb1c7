// Command conformance runs OpenAI's Go client against a running server
// (OLMOE_BASE_URL, such as http://127.0.0.1:8000). It works with any model: it
// checks the shapes, types and laws of the API, never a particular text. It is a
// module of its own so that the client is no dependency of the project.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// check is one law; run returns what is wrong.
type check struct {
	name string
	run  func(ctx context.Context, c *suite) error
}

// suite is what the checks share.
type suite struct {
	openai.Client
	model   string
	hasChat bool
}

const (
	prompt       = "The capital of France is"
	checkTimeout = 2 * time.Minute
)

func main() {
	base := os.Getenv("OLMOE_BASE_URL")
	if base == "" {
		fmt.Fprintln(os.Stderr, "set OLMOE_BASE_URL to the server, for example http://127.0.0.1:8000")
		os.Exit(2)
	}
	s := &suite{Client: openai.NewClient(option.WithBaseURL(base+"/v1"), option.WithAPIKey(key()), option.WithMaxRetries(0))}
	if err := s.prepare(); err != nil {
		fmt.Println("FAIL  the server does not answer:", err)
		fmt.Println("0 passed, 1 failed")
		os.Exit(1)
	}
	os.Exit(runAll(s))
}

func key() string {
	if k := os.Getenv("OLMOE_API_KEY"); k != "" {
		return k
	}
	return "none"
}

func runAll(s *suite) int {
	failed := 0
	all := append(append(append([]check{}, completionChecks...), chatChecks(s)...), errorChecks...)
	for _, c := range all {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		err := c.run(ctx, s)
		cancel()
		if err != nil {
			failed++
			fmt.Printf("FAIL  %s\n      %v\n", c.name, err)
			continue
		}
		fmt.Println("ok   ", c.name)
	}
	fmt.Printf("%d passed, %d failed\n", len(all)-failed, failed)
	return min(failed, 1)
}

// prepare finds the model and whether it has a chat template (a base model has
// none, which must be a clear 400).
func (s *suite) prepare() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	models, err := s.Models.List(ctx)
	if err != nil {
		return err
	}
	if len(models.Data) != 1 {
		return fmt.Errorf("%d models, want 1", len(models.Data))
	}
	s.model = models.Data[0].ID
	_, err = s.Chat.Completions.New(ctx, s.chat(openai.Int(1)))
	s.hasChat = err == nil
	if err != nil && !strings.Contains(err.Error(), "chat template") {
		return err
	}
	return nil
}

// wantError checks the status and that the field is named.
func wantError(err error, status int, param string) error {
	var api *openai.Error
	switch {
	case err == nil:
		return errors.New("no error")
	case !errors.As(err, &api):
		return fmt.Errorf("%T instead of an API error: %w", err, err)
	case api.StatusCode != status || api.Param != param || api.Message == "" || api.Type == "":
		return fmt.Errorf("status %d param %q type %q message %q; want status %d param %q",
			api.StatusCode, api.Param, api.Type, api.Message, status, param)
	}
	return nil
}

var errorChecks = []check{
	{"errors: unknown model", func(ctx context.Context, s *suite) error {
		p := s.completion(prompt, 1)
		p.Model = "no-such-model"
		_, err := s.Completions.New(ctx, p)
		return wantError(err, http.StatusNotFound, "model")
	}},
	{"errors: unknown model, retrieved", func(ctx context.Context, s *suite) error {
		_, err := s.Models.Get(ctx, "no-such-model")
		return wantError(err, http.StatusNotFound, "model")
	}},
	{"errors: unknown route", func(ctx context.Context, s *suite) error {
		_, err := s.Files.List(ctx, openai.FileListParams{})
		return wantError(err, http.StatusNotFound, "")
	}},
	{"errors: bad fields", badFields},
}

func badFields(ctx context.Context, s *suite) error {
	for param, change := range map[string]func(p *openai.CompletionNewParams){
		"temperature": func(p *openai.CompletionNewParams) { p.Temperature = openai.Float(3) },
		"max_tokens":  func(p *openai.CompletionNewParams) { p.MaxTokens = openai.Int(-1) },
		"n":           func(p *openai.CompletionNewParams) { p.N = openai.Int(100_000) },
		"logprobs":    func(p *openai.CompletionNewParams) { p.Logprobs = openai.Int(100) },
		"suffix":      func(p *openai.CompletionNewParams) { p.Suffix = openai.String("x") },
		"best_of":     func(p *openai.CompletionNewParams) { p.BestOf = openai.Int(5) },
		"prompt":      func(p *openai.CompletionNewParams) { p.Prompt.OfString = openai.String("") },
		"no_such":     func(p *openai.CompletionNewParams) { p.SetExtraFields(map[string]any{"no_such": 1}) },
	} {
		p := s.completion(prompt, 1)
		change(&p)
		_, err := s.Completions.New(ctx, p)
		if err := wantError(err, http.StatusBadRequest, param); err != nil {
			return err
		}
		stream := s.Completions.NewStreaming(ctx, p)
		for stream.Next() {
		}
		if err := wantError(stream.Err(), http.StatusBadRequest, param); err != nil {
			return fmt.Errorf("streamed: %w", err)
		}
	}
	return nil
}
