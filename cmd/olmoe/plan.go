package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// expertBytes is the size of one OLMoE-1B-7B expert of one layer: two matrices of
// 1024 x 2048 and one of 2048 x 1024.
var expertBytes = map[string]int64{
	string(checkpoint.AsStored): 3 * 1024 * 2048 * 2,
	string(checkpoint.Int8):     int64(2*kernels.Int8Bytes(1024, 2048) + kernels.Int8Bytes(2048, 1024)),
}

// maxPlanNodes bounds --nodes: far more than a pool has, and memory for them.
const maxPlanNodes = 1 << 16

// maxRatio bounds --min-gain, of which 1 is much, and --read-rows, of which 10 is.
const maxRatio = 1e9

type planFlags struct {
	loads, activations string
	readRows           float64
	current, weights   string
	nodes, slots       int
	replicas, machines int
	bytes              int64
	minGain            float64
	maxMoves           int
	json               bool
}

// planMinGain is --min-gain where it is not given: what a window of traffic
// measures is not worth moving 12 MB for less than a thousandth.
const planMinGain = 0.001

func newPlanCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan --loads FILE --nodes N [--slots S] [--current FILE] [--json]",
		Short: "Print a placement of experts for given loads, how balanced it is, and what has to move",
		Long: "Print a placement of experts for given loads, how balanced it is (mean node load / busiest\n" +
			"node's load; the load of an expert counts evenly over its copies), a bound on that which no\n" +
			"placement can exceed, and what has to move from the placement in force.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(needed(cmd.Flags()), f.check()); err != nil {
				return err
			}
			return runPlan(cmd.OutOrStdout(), &f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.loads, "loads", "", "JSON file {layer: [load of each expert]}; a load is the tokens of an expert where arithmetic is what "+
		"takes time (large batches), the batches in which it had any where reading weights is (small ones)")
	fs.StringVar(&f.activations, "activations", "", "JSON file like that of --loads with the batches in which each expert had tokens; what is balanced is then tokens + read-rows * batches")
	fs.Float64Var(&f.readRows, "read-rows", 2, "with --activations: the rows of arithmetic that take as long as reading an expert's weights once")
	fs.IntVar(&f.nodes, "nodes", 0, "expert nodes to place the experts on")
	fs.IntVar(&f.slots, "slots", 0, "room for experts of a layer on all nodes together, spread evenly (default: one for each replica of each expert)")
	fs.IntVar(&f.replicas, "replicas", 1, "on how many nodes each expert is, at least")
	fs.IntVar(&f.machines, "machines", 0, "deal the nodes round robin to so many machines: the replicas of an expert are on different ones where there is room, and it is "+
		"told how many experts' are not (default: machines are not looked at)")
	fs.StringVar(&f.current, "current", "", "JSON file with the placement in force, as --json prints it")
	fs.Float64Var(&f.minGain, "min-gain", planMinGain, "with --current: by how much each expert moved must lower the load of its layer's busiest node, as a fraction of the mean node load")
	fs.IntVar(&f.maxMoves, "max-moves", 0, "with --current: move no more experts than this, those that gain most; what has to move comes on top (default: no limit)")
	fs.StringVar(&f.weights, "weights", "bf16", "form of the weights, bf16 or int8: what an expert to move has to load")
	fs.Int64Var(&f.bytes, "expert-bytes", 0, "bytes of one expert of one layer, for the bytes of moves (default: OLMoE-1B-7B's in the form of --weights)")
	fs.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// check refuses flags that can never work, and sets what an expert to move has to load.
func (f *planFlags) check() error {
	if f.loads == "" {
		return fmt.Errorf("%w: --loads is missing: give a JSON file {layer: [load of each expert]}", errFlags)
	}
	if err := inRange("--nodes", f.nodes, 1, maxPlanNodes); err != nil {
		return err
	}
	if err := inRange("--replicas", f.replicas, 1, f.nodes); err != nil {
		return fmt.Errorf("%w, the number of --nodes", err)
	}
	return cmp.Or(notNegative("--slots", f.slots), notNegative("--machines", f.machines), notNegative("--max-moves", f.maxMoves), ratio("--min-gain", f.minGain), ratio("--read-rows", f.readRows), f.size())
}

// ratio refuses what is no number, or far from any that makes sense.
func ratio(flag string, v float64) error {
	if !(v >= 0 && v <= maxRatio) {
		return fmt.Errorf("%w: %s %v: give 0 to %g", errFlags, flag, v, maxRatio)
	}
	return nil
}

// needed refuses --read-rows where it would be ignored, and a 0 that would be taken for no
// flag. --min-gain and --max-moves are bounds of moves: with nothing in force there are
// none, and they hold.
func needed(flags *pflag.FlagSet) error {
	for _, f := range [...]struct{ flag, hint string }{ // in one order: of two that are wrong the same is named
		{"slots", "give at least one for each replica of each expert"},
		{"machines", "give at least 1"},
		{"expert-bytes", "give at least 1"},
		{"max-moves", "give at least 1; with a large --min-gain no expert moves that does not have to"},
	} {
		if flags.Changed(f.flag) && flags.Lookup(f.flag).Value.String() == "0" {
			return fmt.Errorf("%w: --%s 0: %s, or leave it out", errFlags, f.flag, f.hint)
		}
	}
	if flags.Changed("read-rows") && flags.Lookup("activations").Value.String() == "" {
		return fmt.Errorf("%w: --read-rows needs --activations", errFlags)
	}
	return nil
}

func runPlan(out io.Writer, f *planFlags) error {
	loads, err := f.costs()
	if err != nil {
		return err
	}
	current := planResult{}
	if f.current != "" {
		if err := readJSON(f.current, &current); err != nil {
			return err
		}
		if len(current.Layers) == 0 {
			return fmt.Errorf("%s: it has no layers: give a placement as --json prints it", f.current)
		}
		if !slices.ContainsFunc(layerOrder(loads), func(key string) bool { _, ok := current.Layers[key]; return ok }) {
			return fmt.Errorf("%s: it has none of the layers of %s (%s): every expert would move", f.current, f.loads, strings.Join(layerOrder(loads), ", "))
		}
	}
	result, err := f.plan(loads, current)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(result)
	}
	return result.print(out)
}

// size sets what an expert to move has to load.
func (f *planFlags) size() error {
	if err := checkWeights(f.weights); err != nil {
		return err
	}
	f.bytes = cmp.Or(f.bytes, expertBytes[f.weights])
	return notNegative("--expert-bytes", f.bytes)
}

// plan plans all layers of the file together, so that --max-moves goes where it
// gains most.
func (f *planFlags) plan(loads map[string][]float64, current planResult) (*planResult, error) {
	keys := layerOrder(loads)
	r, err := f.request(keys, loads, current)
	if err != nil {
		return nil, err
	}
	p, err := planner.Plan(*r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.loads, err)
	}
	return f.result(keys, r, p), nil
}

// request numbers the file's layers from 0.
func (f *planFlags) request(keys []string, loads map[string][]float64, current planResult) (*planner.Request, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: it has no layers", f.loads)
	}
	r := &planner.Request{Layers: len(keys), Experts: len(loads[keys[0]]), Nodes: planNodes(f.nodes), Replicas: f.replicas,
		Domains: f.domains(), Slots: cmp.Or(f.slots, f.replicas*len(loads[keys[0]])), MinGain: f.minGain, MaxMoves: f.maxMoves}
	for _, key := range keys {
		if len(loads[key]) != r.Experts {
			return nil, fmt.Errorf("%s: layer %s has %d loads, layer %s has %d: all layers have the same number of experts",
				f.loads, key, len(loads[key]), keys[0], r.Experts)
		}
		r.Loads = append(r.Loads, loads[key])
	}
	if f.current == "" {
		return r, nil
	}
	if err := current.check(r.Experts); err != nil {
		return nil, fmt.Errorf("%s: %w", f.current, err)
	}
	r.Current = current.placement(keys, r.Experts)
	return r, nil
}

// check refuses a placement of another model, and a node that has an expert twice.
func (r *planResult) check(experts int) error {
	for _, key := range layerOrder(r.Layers) {
		for i, list := range r.Layers[key].Nodes {
			if err := checkNode(list, experts); err != nil {
				return fmt.Errorf("layer %s, node %d: %w", key, i, err)
			}
		}
	}
	return nil
}

// checkNode is about what one node has of a layer.
func checkNode(list []int, experts int) error {
	seen := make([]bool, experts)
	for _, e := range list {
		if e < 0 || e >= experts {
			return fmt.Errorf("expert %d is not one of the %d that have loads", e, experts)
		}
		if seen[e] {
			return fmt.Errorf("expert %d stands twice: keep one of them", e)
		}
		seen[e] = true
	}
	return nil
}

// placement reads a result back; layers that it lacks are on no node.
func (r *planResult) placement(keys []string, experts int) *placement.Placement {
	n := 0
	for _, layer := range r.Layers {
		n = max(n, len(layer.Nodes))
	}
	p := &placement.Placement{Layers: len(keys), Experts: experts, Nodes: planNodes(n)}
	for i := range p.Nodes {
		p.Nodes[i].Experts = make([][]int, len(keys))
		for l, key := range keys {
			if lists := r.Layers[key].Nodes; i < len(lists) {
				p.Nodes[i].Experts[l] = lists[i]
			}
		}
	}
	return p
}

// planNodes are nodes whose names are their numbers.
func planNodes(n int) []placement.Node {
	nodes := make([]placement.Node, n)
	for i := range nodes {
		nodes[i].Name = strconv.Itoa(i)
	}
	return nodes
}

// domains are the machines of the nodes.
func (f *planFlags) domains() map[string]string {
	if f.machines == 0 {
		return nil
	}
	on := map[string]string{}
	for i := range f.nodes {
		on[strconv.Itoa(i)] = strconv.Itoa(i % f.machines)
	}
	return on
}
