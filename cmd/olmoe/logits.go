package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/golden"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// greedyFile is the file of greedy tokens among the results.
const greedyFile = "greedy.json"

// greedySteps is how many tokens it holds for a prompt.
const greedySteps = 32

// logitsFlags are those of "olmoe logits".
type logitsFlags struct {
	localFlags
	file, out, activations string
	chunk                  int
	maxWait                time.Duration // for experts that are lost
}

func newLogitsCommand() *cobra.Command {
	f := logitsFlags{maxWait: defaultMaxWait}
	cmd := &cobra.Command{
		Use:   "logits --model DIR --prompts FILE --out DIR",
		Short: "Write logits, routing and hidden states of prompts, for comparison with another implementation",
		Long: `Write what the model computes for each prompt of FILE ({"prompts": [{"name",
"token_ids"}]}): NAME.safetensors with logits, selected experts and the hidden states
of its last position (the tensors: docs/checkpoints.md), and greedy.json with 32
greedy tokens a prompt, fewer where the context ends: one after its last position is
the last. The experts are computed by
expert-node processes over gRPC, as in a deployment.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.activations != "f32" {
				return fmt.Errorf("%w: --activations %q is not supported: use f32", errFlags, f.activations)
			}
			if f.file == "" {
				return fmt.Errorf("%w: --prompts is missing: give the file with the prompts", errFlags)
			}
			if f.out == "" {
				return fmt.Errorf("%w: --out is missing: give a folder for the results", errFlags)
			}
			if err := inRange("--chunk", f.chunk, 1, maxStepTokens); err != nil {
				return err
			}
			return cutShort(cmd.Context(), writeLogits(cmd.Context(), &f))
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.file, "prompts", "", "JSON file with prompts[]: name and token_ids each")
	cmd.Flags().StringVar(&f.out, "out", "", "folder for the results; made if it is missing")
	cmd.Flags().StringVar(&f.activations, "activations", "f32", "what activations are computed in: f32, float32, is all there is")
	cmd.Flags().IntVar(&f.chunk, "chunk", 256, "tokens of a prompt that one step computes; results do not depend on it")
	return cmd
}

func writeLogits(ctx context.Context, f *logitsFlags) error {
	prompts, err := f.prompts()
	if err != nil {
		return err
	}
	if err := makeRoom(f.out, prompts); err != nil {
		return fmt.Errorf("%w: --out: %w", errFlags, err)
	}
	alive, cancel := context.WithCancel(ctx)
	pool, err := f.startPool(alive)
	if err != nil {
		cancel()
		return err
	}
	defer pool.Close()
	defer pool.Wait()
	defer cancel()
	return pool.While(ctx, func(ctx context.Context) error { return f.compute(ctx, pool, prompts) })
}

// compute is a router for the prompts, and writes what it sees.
func (f *logitsFlags) compute(ctx context.Context, pool *local.Pool, prompts []golden.Prompt) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	core, err := router.Open(ctx, router.CoreOptions{
		Model: f.Model, Weights: checkpoint.Weights(f.Weights), Cache: cacheFolders(f.Model, f.Cache, 0), Workers: f.Workers, MaxWait: f.maxWait, Log: logr.Discard(), Fatal: func(error) {},
		Limits: engine.Limits{MaxSequences: len(prompts), MaxQueue: len(prompts), MaxRows: f.chunk, KVBytes: logitsKVBytes},
	})
	if err != nil {
		return err
	}
	defer core.Close()
	core.Dispatcher.Apply(pool.Document)
	// The first prompt waits for as long as loading takes: MaxWait is for nodes that are lost.
	if err := pool.AwaitNodes(ctx); err != nil {
		return err
	}
	engineDone := make(chan struct{})
	go func() { defer close(engineDone); core.Engine.Run(ctx) }()
	defer func() { cancel(); <-engineDone }()
	return f.runPrompts(ctx, core, prompts)
}

// runPrompts writes a file of tensors for each prompt, and the greedy tokens of all.
func (f *logitsFlags) runPrompts(ctx context.Context, core *router.Core, prompts []golden.Prompt) error {
	greedy := map[string][]int32{}
	for _, p := range prompts {
		c := golden.NewCollector(core.Config(), p.TokenIDs)
		ids, err := runPrompt(ctx, core.Engine, p, c)
		if err != nil {
			return fmt.Errorf("prompt %s: %w", p.Name, err)
		}
		if n := len(ids); n < greedySteps {
			fmt.Fprintf(f.Stderr, "olmoe: prompt %s: %d greedy tokens instead of %d: the context ends\n", p.Name, n, greedySteps)
		}
		if err := c.Write(tensorsFile(f.out, p)); err != nil {
			return err
		}
		greedy[p.Name] = ids
	}
	b, err := json.MarshalIndent(greedy, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.out, greedyFile), append(b, '\n'), 0o644) //nolint:gosec // results are for everybody
}

// prompts reads those of the file, and refuses what this model cannot compute.
func (f *logitsFlags) prompts() ([]golden.Prompt, error) {
	config, err := f.check()
	if err != nil {
		return nil, err
	}
	var read golden.Prompts
	if err := readJSON(f.file, &read); err != nil {
		return nil, err
	}
	if err := read.Check(config); err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return read.Prompts, nil
}

// makeRoom makes the folder for results, and finds out before anything is computed whether
// files can be made in it, and those that are there written anew. The tokens of a former run
// do not stay beside the tensors of this one, should it end early.
func makeRoom(out string, prompts []golden.Prompt) error {
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // results are for everybody
		return err
	}
	if err := tryFile(out); err != nil {
		return err
	}
	for _, p := range prompts {
		if err := tryOld(tensorsFile(out, p)); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(out, greedyFile)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// tryFile makes a file in a folder, and takes it away.
func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".olmoe-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// tryOld opens a file of a former run, if it is there, as writing it will. What is no file,
// such as a folder, is not waited for.
func tryOld(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0) //nolint:gosec // the user names the folder
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// tensorsFile is where the tensors of a prompt go.
func tensorsFile(out string, p golden.Prompt) string {
	return filepath.Join(out, p.Name+".safetensors")
}

// logitsKVBytes holds one sequence of the full-size model's whole context, with room.
const logitsKVBytes = 2 << 30

// runPrompt computes a prompt and greedySteps tokens after it, fewer where the
// context ends: the last of them follows its last position.
func runPrompt(ctx context.Context, e *engine.Engine, p golden.Prompt, c *golden.Collector) ([]int32, error) {
	events, err := e.SubmitTraced(ctx, &engine.Request{
		Prompt: p.TokenIDs, MaxTokens: greedySteps, AfterContext: true, IgnoreEOS: true, Logprobs: -1, PromptLogprobs: -1,
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
