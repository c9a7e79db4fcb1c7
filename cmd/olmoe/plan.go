package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// expertBytes is the size of one OLMoE-1B-7B expert of one layer in bf16: three
// matrices of 1024 x 2048.
const expertBytes = 3 * 1024 * 2048 * 2

// maxPlanFile bounds the input: 64 layers of 4,096 experts take about 8 MB.
const maxPlanFile = 64 << 20

type planFlags struct {
	loads, current string
	nodes, slots   int
	bytes          int64
	json           bool
}

// planResult is the JSON that design.md, section 3, fixes; --current takes it too.
type planResult struct {
	Layers map[string]planLayer `json:"layers"`
	Moves  []planMove           `json:"moves"`
}

type planLayer struct {
	Nodes        [][]int `json:"nodes"`
	Balancedness float64 `json:"balancedness"`
	Bound        float64 `json:"bound"`
}

// planMove is an expert that a node has to load; From is -1 if no node has it.
type planMove struct {
	Layer  int   `json:"layer"`
	Expert int   `json:"expert"`
	From   int   `json:"from"`
	To     int   `json:"to"`
	Bytes  int64 `json:"bytes"`
}

func newPlanCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan --loads FILE --nodes N --slots S [--current FILE] [--json]",
		Short: "Print a placement of experts for given loads, how balanced it is, and what has to move",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runPlan(cmd.OutOrStdout(), &f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.loads, "loads", "", "JSON file {layer: [load of each expert]}")
	fs.IntVar(&f.nodes, "nodes", 0, "expert nodes")
	fs.IntVar(&f.slots, "slots", 0, "room for experts of a layer on all nodes together (default: one for each expert)")
	fs.StringVar(&f.current, "current", "", "JSON file with the placement in force, as --json prints it")
	fs.Int64Var(&f.bytes, "expert-bytes", expertBytes, "size of one expert of one layer")
	fs.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func runPlan(out io.Writer, f *planFlags) error {
	if f.loads == "" || f.nodes < 1 || f.slots < 0 {
		return fmt.Errorf("%w: give --loads FILE, --nodes of at least 1, and --slots that are not negative", errFlags)
	}
	var loads map[string][]float64
	if err := readPlanFile(f.loads, &loads); err != nil {
		return err
	}
	current := planResult{}
	if f.current != "" {
		if err := readPlanFile(f.current, &current); err != nil {
			return err
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

func readPlanFile(name string, to any) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := json.NewDecoder(io.LimitReader(file, maxPlanFile)).Decode(to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// plan plans each layer by itself.
func (f *planFlags) plan(loads map[string][]float64, current planResult) (*planResult, error) {
	result := &planResult{Layers: map[string]planLayer{}, Moves: []planMove{}}
	for _, key := range layerOrder(loads) {
		number, err := strconv.Atoi(key)
		if err != nil || number < 0 {
			return nil, fmt.Errorf("%s: layer %q is not a number", f.loads, key)
		}
		layer, moves, err := f.planLayer(loads[key], current.Layers[key].Nodes)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", number, err)
		}
		result.Layers[key] = *layer
		for _, m := range moves {
			m.Layer = number
			result.Moves = append(result.Moves, m)
		}
	}
	return result, nil
}

func layerOrder[V any](layers map[string]V) []string {
	return slices.SortedFunc(maps.Keys(layers), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

func (f *planFlags) planLayer(loads []float64, current [][]int) (*planLayer, []planMove, error) {
	slots := f.slots
	if slots == 0 {
		slots = len(loads)
	}
	was := onNodes(current, len(loads))
	p, err := placement.Plan(placement.Request{
		Layers: 1, Experts: len(loads), Nodes: planNodes(f.nodes), Replicas: 1, Slots: slots,
		Loads: [][]float64{loads}, Current: was,
	})
	if err != nil {
		return nil, nil, err
	}
	layer := &planLayer{
		Balancedness: p.Balancedness([][]float64{loads})[0],
		Bound:        placement.Bound(loads, f.nodes, slots),
	}
	for _, n := range p.Nodes {
		layer.Nodes = append(layer.Nodes, n.Experts[0])
	}
	if was == nil {
		return layer, nil, nil
	}
	return layer, f.moves(was, p), nil
}

func (f *planFlags) moves(from, to *placement.Placement) (moves []planMove) {
	for _, m := range placement.Diff(from, to, f.bytes) {
		source, err := strconv.Atoi(m.From)
		if err != nil {
			source = -1
		}
		target, _ := strconv.Atoi(m.To)
		moves = append(moves, planMove{Expert: m.Expert, From: source, To: target, Bytes: m.Bytes})
	}
	return moves
}

// planNodes are nodes whose names are their numbers.
func planNodes(n int) []placement.Node {
	nodes := make([]placement.Node, n)
	for i := range nodes {
		nodes[i].Name = strconv.Itoa(i)
	}
	return nodes
}

func onNodes(lists [][]int, experts int) *placement.Placement {
	if lists == nil {
		return nil
	}
	p := &placement.Placement{Layers: 1, Experts: experts, Nodes: planNodes(len(lists))}
	for i, list := range lists {
		p.Nodes[i].Experts = [][]int{list}
	}
	return p
}

func (r *planResult) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LAYER\tBALANCEDNESS\tBOUND\tNODE\tEXPERTS")
	for _, key := range layerOrder(r.Layers) {
		layer := r.Layers[key]
		for i, list := range layer.Nodes {
			head := "\t\t"
			if i == 0 {
				head = fmt.Sprintf("%s\t%.4f\t%.4f", key, layer.Balancedness, layer.Bound)
			}
			fmt.Fprintf(w, "%s\t%d\t%v\n", head, i, list)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var bytes int64
	for _, m := range r.Moves {
		bytes += m.Bytes
		fmt.Fprintf(out, "move: layer %d, expert %d, node %d -> %d, %d bytes\n", m.Layer, m.Expert, m.From, m.To, m.Bytes)
	}
	_, err := fmt.Fprintf(out, "%d moves, %d bytes\n", len(r.Moves), bytes)
	return err
}
