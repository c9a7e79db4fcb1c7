package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/router"
)

// Defaults of the router's limits (invariant 8).
const (
	defaultMaxSequences = 64               // a decode step of 64 rows; more adds latency, not throughput, on a few cores
	defaultMaxQueue     = 256              // waiting sequences: at some seconds each, more would time out anyway
	defaultQueueWait    = 10 * time.Minute // as long as OpenAI's clients wait for an answer: nobody reads a later one
	defaultStepTokens   = 256              // rows of a step
	defaultKVCacheMB    = 2048             // 8192 tokens of the full-size model, 16384 of it with int8 weights
	maxKVCacheMB        = 1 << 24          // 16 TiB: more than a machine has, and no overflow in bytes
	maxStepTokens       = 1 << 16          // some 7 GB of room for the full-size model; no machine gains from more
	maxQueue            = 1 << 16          // what the custom resource allows, too
	maxBodyBytes        = 1 << 30          // each of 512 requests may hold so much
	defaultMaxWait      = 2 * time.Minute  // for a pod to be rescheduled and to load a few GB of experts
	defaultMaxBody      = 4 << 20          // bytes of a request
)

func newRouterCommand() *cobra.Command {
	var f podFlags
	var o router.Options
	var kvMB int64
	cmd := &cobra.Command{
		Use:   "router",
		Short: "Run a router pod: tokenizer, OpenAI API, attention, gating",
		Long: `Run a router pod: tokenizer, OpenAI API, attention, gating.

The key that requests must have, if any, is read from the environment: OLMOE_API_KEY.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := apiKey()
			if err := cmp.Or(f.check(), checkRouter(&o, kvMB), err); err != nil {
				return f.reported(err)
			}
			o.APIKey = key
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
	fs.IntVar(&o.MaxQueue, "max-queue", defaultMaxQueue, "sequences that may wait, one for each choice of a request; one more is answered 429")
	fs.DurationVar(&o.MaxQueueWait, "max-queue-wait", defaultQueueWait, "how long a sequence may wait; then its request is answered 429")
	fs.IntVar(&o.MaxRows, "max-step-tokens", defaultStepTokens, "tokens that one step computes, prefill chunks and decode together; at least --max-sequences")
	fs.Int64Var(&kvMB, "kv-cache-mb", defaultKVCacheMB, "MiB of KV cache at most")
	fs.StringVar(&o.KVType, "kv-cache-type", model.KVAuto, "what the KV cache stores: f32, bf16 (half the memory; rounded), or auto: bf16 beside int8 weights, else f32")
	fs.BoolVar(&o.PrefixCache, "prefix-cache", true, "compute once what prompts begin with alike; switch off where the time to an answer must not tell what others asked")
	fs.Int64Var(&o.MaxBody, "max-body-bytes", defaultMaxBody, "bytes of a request body at most (up to 1 GiB)")
	fs.DurationVar(&o.MaxWait, "max-expert-wait", defaultMaxWait, "how long a request waits for experts that have no owner")
	fs.BoolVar(&o.OneProcess, "one-process", false, "compute the experts too, without expert nodes: what being split is compared with")
	_ = fs.MarkHidden("one-process") // it is there
	fs.DurationVar(&o.DrainDelay, "drain-delay", 5*time.Second, "after SIGTERM: serve on for so long, so that clients stop coming")
	return cmd
}

// checkRouter refuses what can never work of the flags that routers alone have.
func checkRouter(o *router.Options, kvMB int64) error {
	if err := cmp.Or(
		inRange("--max-sequences", o.MaxSequences, 1, maxStepTokens),
		inRange("--max-queue", o.MaxQueue, 1, maxQueue),
		inRange("--kv-cache-mb", kvMB, 1, maxKVCacheMB),
		inRange("--max-body-bytes", o.MaxBody, 1, maxBodyBytes),
	); err != nil {
		return err
	}
	switch {
	case o.MaxRows < o.MaxSequences || o.MaxRows > maxStepTokens:
		return fmt.Errorf("%w: --max-step-tokens %d: give %d (--max-sequences) to %d", errFlags, o.MaxRows, o.MaxSequences, maxStepTokens)
	case o.MaxQueueWait <= 0:
		return fmt.Errorf("%w: --max-queue-wait %s: give a time above 0, such as %s", errFlags, o.MaxQueueWait, defaultQueueWait)
	case o.MaxWait <= 0:
		return fmt.Errorf("%w: --max-expert-wait %s: give a time above 0, such as %s", errFlags, o.MaxWait, defaultMaxWait)
	case o.DrainDelay < 0:
		return fmt.Errorf("%w: --drain-delay %s: give a time that is not negative", errFlags, o.DrainDelay)
	}
	if _, err := model.ParseKV(o.KVType, checkpoint.AsStored); err != nil {
		return fmt.Errorf("%w: --kv-cache-type: %v", errFlags, err)
	}
	return nil
}

// errAPIKey is no fault of the command line: in a cluster the key comes from the Secret of
// the spec, whatever the image.
var errAPIKey = errors.New("bad API key")

// apiKey is the key that clients must send; "" = none. One that is given but empty would
// open the API, and one with a line break at its end, as a secret easily has it, would
// close it to everybody.
func apiKey() (string, error) {
	key, given := os.LookupEnv("OLMOE_API_KEY")
	if given && (key == "" || key != strings.TrimSpace(key)) {
		return "", fmt.Errorf("%w: OLMOE_API_KEY is empty, or begins or ends with a space or a line break: give the key alone, or unset it for an API without one", errAPIKey)
	}
	return key, nil
}

func runRouter(cmd *cobra.Command, f *podFlags, o router.Options) error {
	log, err := newLogger(f.logLevel)
	if err != nil {
		return err
	}
	o.Model, o.Name, o.Placement, o.Workers = f.model, f.name, f.placement, f.workers
	o.Weights, o.Cache = checkpoint.Weights(f.weights), cacheFolders(f.model, f.cache, f.cacheMB)
	o.DrainTimeout = f.drainTimeout
	o.Log = log.WithName("router")
	o.Announce = func(http, grpc string) error {
		return local.Announce(local.Announcement{Role: "router", HTTP: http, GRPC: grpc})
	}
	return interrupted(cmd.Context(), router.Run(cmd.Context(), o)) // while it loads, too
}
