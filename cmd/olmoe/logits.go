package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/golden"
	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// greedySteps is how many tokens greedy.json holds for a prompt.
const greedySteps = 32

func newLogitsCommand() *cobra.Command {
	var f localFlags
	var prompts, out, activations string
	var chunk int
	cmd := &cobra.Command{
		Use:   "logits --model DIR --prompts FILE --out DIR",
		Short: "Write logits, routing and hidden states of prompts, for comparison with another implementation",
		Long: `Write what the model computes for each prompt of FILE ({"prompts": [{"name",
"token_ids"}]}): NAME.safetensors with logits, selected experts and the hidden states
of its last position (the tensors: docs/checkpoints.md), and greedy.json with 32
greedy tokens a prompt, fewer where the context ends. The experts are computed by
expert-node processes over gRPC, as in a deployment.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if activations != "f32" {
				return fmt.Errorf("%w: --activations %q is not supported: use f32", errFlags, activations)
			}
			if prompts == "" || out == "" {
				return fmt.Errorf("%w: --prompts and --out are needed", errFlags)
			}
			if err := inRange("--chunk", chunk, 1, maxStepTokens); err != nil {
				return err
			}
			return cutShort(cmd.Context(), writeLogits(cmd.Context(), &f, prompts, out, chunk))
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&prompts, "prompts", "", "file with prompts[]: name and token_ids each")
	cmd.Flags().StringVar(&out, "out", "", "folder for the results; made if it is missing")
	cmd.Flags().StringVar(&activations, "activations", "f32", "f32: activations in float32")
	cmd.Flags().IntVar(&chunk, "chunk", 256, "tokens of a prompt that one step computes; results do not depend on it")
	return cmd
}

func writeLogits(ctx context.Context, f *localFlags, file, out string, chunk int) error {
	prompts, err := f.prompts(file)
	if err != nil {
		return err
	}
	greedyFile := filepath.Join(out, "greedy.json")
	if err := makeRoom(out, greedyFile); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	pool, err := f.startPool(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer pool.Close()
	defer pool.Wait()
	defer cancel()
	core, err := router.Open(ctx, router.CoreOptions{
		Model: f.Model, Weights: checkpoint.Weights(f.Weights), Cache: cacheFolders(f.Model, f.Cache, 0), Workers: f.Workers, MaxWait: defaultMaxWait, Log: logr.Discard(), Fatal: func(error) {},
		Limits: engine.Limits{MaxSequences: len(prompts), MaxQueue: len(prompts), MaxRows: chunk, KVBytes: logitsKVBytes},
	})
	if err != nil {
		return err
	}
	defer core.Close()
	core.Dispatcher.Apply(pool.Document)
	engineDone := make(chan struct{})
	go func() { defer close(engineDone); core.Engine.Run(ctx) }()
	defer func() { cancel(); <-engineDone }()

	greedy := map[string][]int32{}
	for _, p := range prompts {
		c := golden.NewCollector(core.Config(), p.TokenIDs)
		if greedy[p.Name], err = runPrompt(ctx, core.Engine, p, c); err != nil {
			return fmt.Errorf("prompt %s: %w", p.Name, err)
		}
		if n := len(greedy[p.Name]); n < greedySteps {
			fmt.Fprintf(f.Stderr, "olmoe: prompt %s: %d greedy tokens instead of %d: the context ends\n", p.Name, n, greedySteps)
		}
		if err := c.Write(filepath.Join(out, p.Name+".safetensors")); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(greedy, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(greedyFile, append(b, '\n'), 0o644) //nolint:gosec // results are for everybody
}

// prompts reads those of a file, and refuses what this model cannot compute.
func (f *localFlags) prompts(file string) ([]golden.Prompt, error) {
	config, err := f.check()
	if err != nil {
		return nil, err
	}
	var read golden.Prompts
	if err := readJSON(file, &read); err != nil {
		return nil, err
	}
	if err := read.Check(config); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return read.Prompts, nil
}

// makeRoom makes the folder for results. The tokens of a former run do not stay beside
// the tensors of this one, should it end early.
func makeRoom(out, greedyFile string) error {
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // results are for everybody
		return err
	}
	if err := os.Remove(greedyFile); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// logitsKVBytes holds one sequence of the full-size model's whole context, with room.
const logitsKVBytes = 2 << 30

// runPrompt computes a prompt and greedySteps tokens after it, fewer where the
// context ends.
func runPrompt(ctx context.Context, e *engine.Engine, p golden.Prompt, c *golden.Collector) ([]int32, error) {
	events, err := e.SubmitTraced(ctx, &engine.Request{
		Prompt: p.TokenIDs, MaxTokens: min(greedySteps, e.Context()-len(p.TokenIDs)), IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1,
	}, c)
	if err != nil {
		return nil, err
	}
	ids := []int32{}
	for ev := range events {
		if ev.Err != nil {
			return nil, ev.Err
		}
		if ev.HasToken {
			ids = append(ids, ev.Token)
		}
	}
	return ids, ctx.Err()
}
