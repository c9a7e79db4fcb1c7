// Command replay sends OLMoE's own routing counts, kind of text after kind of text, through
// the router's dispatcher to expert-node processes that have a fixed capacity each,
// and measures what moving experts is worth and what losing or moving them costs.
//
//	go run ./hack/replay --what shift,loss,move --program bin/olmoe --model DIR
//
// Each node process gets a CPU quota of its own (--cores, a control group, which
// takes root): on one machine all processes share the cores, and without a quota
// an idle node would make the busy one faster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

type options struct {
	what                   string
	program, model, counts string
	nodes, rows, slots     int
	trials, first          int
	cores                  float64
	window, measure, pause time.Duration
	every                  time.Duration
	hand                   int
	seed                   uint64
}

func main() {
	var o options
	flag.StringVar(&o.what, "what", "shift", "shift: the kind of text changes; loss: a node is killed; move: experts move again and again")
	flag.StringVar(&o.program, "program", "bin/olmoe", "the olmoe binary")
	flag.StringVar(&o.model, "model", "", "directory of the checkpoint, with 64 experts in each layer")
	flag.StringVar(&o.counts, "counts", "", "file of routing counts, {kind of text: {layer: [count of each expert]}}; none: made-up texts")
	flag.IntVar(&o.nodes, "expert-nodes", 8, "expert-node processes")
	flag.IntVar(&o.slots, "slots", 9, "experts of a layer that a node has room for (shift)")
	flag.IntVar(&o.rows, "rows", 256, "tokens of a step")
	flag.IntVar(&o.trials, "trials", 5, "how often")
	flag.IntVar(&o.first, "first", 0, "number of the first trial: which texts and nodes it takes")
	flag.Float64Var(&o.cores, "cores", 0.15, "capacity of each expert node; 0: no limit")
	flag.DurationVar(&o.window, "window", time.Minute, "window of the load; the budget's minute is as long")
	flag.DurationVar(&o.measure, "measure", 6*time.Second, "length of a measurement")
	flag.DurationVar(&o.pause, "pause", 0, "rest between steps; without one all nodes have work all the time")
	flag.DurationVar(&o.every, "every", 0, "time from one change of placement to the next (move); 0: one follows the other")
	flag.IntVar(&o.hand, "hand", 1, "experts of a layer that each node hands on in a change (move)")
	flag.Uint64Var(&o.seed, "seed", 1, "of the tokens' experts")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to do
	}
}

func run(ctx context.Context, o *options) error {
	texts := madeUpTexts()
	if o.counts == "" {
		fmt.Fprintln(os.Stderr, "no --counts: the texts are made up, not OLMoE's")
	} else {
		var err error
		if texts, err = readTexts(o.counts); err != nil {
			return err
		}
	}
	does := map[string]func(context.Context, *options, []text) error{"shift": shifts, "loss": losses, "move": moves}
	for _, what := range strings.Split(o.what, ",") {
		if does[what] == nil {
			return fmt.Errorf("--what %s: want shift, loss or move", what)
		}
		if err := does[what](ctx, o, texts); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// rig is a pool that serves, its operator and the traffic.
type rig struct {
	pool    *pool
	op      *operator
	traffic *traffic
	stop    func()
}

// start makes a pool with a placement for a text, and sends that text.
func start(ctx context.Context, o *options, x text, replicas, slots int) (*rig, error) {
	ck, err := checkpoint.Open(o.model)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ck.Close() }()
	c := ck.Config()
	if c.NumExperts != len(x.loads[0]) {
		return nil, fmt.Errorf("%s has %d experts a layer, the counts are of %d", o.model, c.NumExperts, len(x.loads[0]))
	}
	router := dispatch.New(dispatch.Options{Name: "replay", Model: ck.Fingerprint(), Layers: c.NumLayers, Experts: c.NumExperts, Hidden: c.HiddenSize})
	r := &rig{}
	if r.pool, err = startPool(ctx, o); err != nil {
		router.Close()
		return nil, err
	}
	r.op = &operator{router: router, nodes: r.pool, replicas: replicas, slots: slots, lost: map[string]bool{},
		model: rollout.Model{Fingerprint: ck.Fingerprint(), Layers: c.NumLayers, Experts: c.NumExperts}}
	r.traffic = &traffic{router: router, rows: o.rows, pause: o.pause, rnd: rand.New(rand.NewPCG(o.seed, uint64(o.first))), //nolint:gosec // a trial that can be repeated
		sizes: sizes{c.NumLayers, c.NumExperts, c.HiddenSize, c.NumExpertsPerTok}}
	sending, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	r.stop = func() { cancel(); <-ended; router.Close(); r.pool.stop() }
	if err := r.op.settle(ctx, r.loads(x)); err != nil {
		close(ended)
		r.stop()
		return nil, err
	}
	r.traffic.send(x)
	go func() { defer close(ended); r.traffic.run(sending) }()
	return r, nil
}

// loads are the text's for each of the model's layers.
func (r *rig) loads(x text) (all [][]float64) {
	for l := range r.op.model.Layers {
		all = append(all, x.loads[l%len(x.loads)])
	}
	return all
}

// rate is the tokens per second of the next while.
func (r *rig) rate(ctx context.Context, d time.Duration) (float64, error) {
	steps, err := r.traffic.watch(ctx, d)
	if err != nil {
		return 0, err
	}
	if v := rate(steps, r.traffic.rows); v > 0 {
		return v, nil
	}
	return 0, errors.New("fewer than two steps in " + d.String() + ": give a longer --measure or fewer --rows")
}
