package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/router"
)

// Defaults of the router's limits (invariant 8).
const (
	defaultMaxSequences = 64              // a decode step of 64 rows; more adds latency, not throughput, on a few cores
	defaultMaxQueue     = 256             // waiting requests: at some seconds each, more would time out anyway
	defaultStepTokens   = 256             // rows of a step
	defaultKVCacheMB    = 2048            // 8192 tokens of the full-size model, 16384 of it with int8 weights
	maxKVCacheMB        = 1 << 24         // 16 TiB: more than a machine has, and no overflow in bytes
	defaultMaxWait      = 2 * time.Minute // for a pod to be rescheduled and to load a few GB of experts
	defaultMaxBody      = 4 << 20         // bytes of a request
)

func newRouterCommand() *cobra.Command {
	var f podFlags
	var o router.Options
	var kvMB int64
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Run a router pod: tokenizer, OpenAI API, attention, gating",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kvMB < 1 || kvMB > maxKVCacheMB {
				return f.reported(fmt.Errorf("%w: --kv-cache-mb %d: give 1 to %d", errFlags, kvMB, maxKVCacheMB))
			}
			o.KVBytes = kvMB << 20
			return f.reported(runRouter(cmd, &f, o))
		},
	}
	fs := cmd.Flags()
	f.register(fs)
	fs.StringVar(&o.Listen, "listen", ":8000", "address of the HTTP API, probes and metrics")
	fs.StringVar(&o.Control, "control", ":7070", "address of the gRPC control service")
	fs.StringVar(&o.ServedModel, "served-model-name", "", "model id that clients name (default: the model directory's name)")
	fs.IntVar(&o.MaxSequences, "max-sequences", defaultMaxSequences, "sequences that run at once")
	fs.IntVar(&o.MaxQueue, "max-queue", defaultMaxQueue, "requests that may wait; one more is answered 429")
	fs.IntVar(&o.MaxRows, "max-step-tokens", defaultStepTokens, "tokens that one step computes, prefill chunks and decode together")
	fs.Int64Var(&kvMB, "kv-cache-mb", defaultKVCacheMB, "MiB of KV cache at most")
	fs.StringVar(&o.KVType, "kv-cache-type", model.KVAuto, "what the KV cache stores: f32, bf16 (half the memory; rounded), or auto: bf16 beside int8 weights, else f32")
	fs.BoolVar(&o.PrefixCache, "prefix-cache", true, "compute once what prompts begin with alike; switch off where the time to an answer must not tell what others asked")
	fs.Int64Var(&o.MaxBody, "max-body-bytes", defaultMaxBody, "bytes of a request body at most")
	fs.DurationVar(&o.MaxWait, "max-expert-wait", defaultMaxWait, "how long a request waits for experts that have no owner")
	fs.BoolVar(&o.OneProcess, "one-process", false, "compute the experts too, without expert nodes: what being split is compared with")
	_ = fs.MarkHidden("one-process") // it is there
	fs.DurationVar(&o.DrainDelay, "drain-delay", 5*time.Second, "after SIGTERM: serve on for so long, so that clients stop coming")
	return cmd
}

func runRouter(cmd *cobra.Command, f *podFlags, o router.Options) error {
	if err := f.check(); err != nil {
		return err
	}
	if o.MaxSequences < 1 || o.MaxQueue < 1 || o.MaxRows < o.MaxSequences || o.MaxBody < 1 {
		return fmt.Errorf("%w: --max-sequences, --max-queue and --max-body-bytes must be positive, and --max-step-tokens at least --max-sequences", errFlags)
	}
	if o.MaxWait < 0 || o.DrainDelay < 0 || f.drainTimeout < 0 {
		return fmt.Errorf("%w: --max-expert-wait, --drain-delay and --drain-timeout must not be negative", errFlags)
	}
	if _, err := model.ParseKV(o.KVType, checkpoint.AsStored); err != nil {
		return fmt.Errorf("%w: --kv-cache-type: %v", errFlags, err)
	}
	log, err := newLogger(f.logLevel)
	if err != nil {
		return fmt.Errorf("%w: %v", errFlags, err)
	}
	o.Model, o.Name, o.Placement, o.Workers = f.model, f.name, f.placement, f.workers
	o.Weights, o.Cache = checkpoint.Weights(f.weights), cacheDirs(f.model, f.cache)
	o.DrainTimeout, o.APIKey = f.drainTimeout, os.Getenv("OLMOE_API_KEY")
	o.Log = log.WithName("router")
	o.Announce = func(http, grpc string) error {
		return local.Announce(local.Announcement{Role: "router", HTTP: http, GRPC: grpc})
	}
	return router.Run(cmd.Context(), o)
}
