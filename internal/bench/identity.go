package bench

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Identity is what it costs that nodes send each expert's output and not the sum of their
// own: with sums an answer's bits would depend on which node has which expert. It is the
// way of one layer, with nodes that do not compute, once with as many rows back as there
// are and once with as many as sums would be: medians of round trips in turns. What adding
// costs is left out: it is done once, here or there.
type Identity struct {
	Batch   int     `json:"batch"`
	Nodes   int     `json:"nodes"`
	Outputs float64 `json:"outputs_seconds_p50"`
	Sums    float64 `json:"sums_seconds_p50"`
	// OfStep is the difference, in all layers, as a part of the step of the same batch
	// that was measured in the same run; absent where none was.
	OfStep float64 `json:"of_step,omitempty"`
}

// Shape is what the way to a model's experts depends on.
type Shape struct {
	Layers, Hidden, Active int // Active: experts of a row
	Nodes                  int
	Outputs                wire.Format // of what nodes send back
}

// MeasureIdentity runs its nodes in this process. The experts of a row lie on as many
// nodes as there are, evenly.
func MeasureIdentity(ctx context.Context, dial Dial, s Shape, rows int, r *Report) (Identity, error) {
	s.Nodes = min(s.Nodes, s.Active)
	n, err := newEchoNodes(dial, s)
	if err != nil {
		return Identity{}, err
	}
	defer n.close()
	outputs, sums := n.call(rows, n.experts), n.call(rows, n.firsts)
	var seconds [2][]float64
	count := max(1, wireRounds*wireRows/max(rows*s.Active, wireRows))
	for range wireTurns {
		for i, call := range []func(context.Context) error{outputs, sums} {
			if seconds[i], err = rounds(ctx, call, count, seconds[i]); err != nil {
				return Identity{}, err
			}
		}
	}
	id := Identity{Batch: rows, Nodes: s.Nodes, Outputs: median(seconds[0]), Sums: median(seconds[1])}
	if step := r.step(rows); step > 0 {
		id.OfStep = float64(s.Layers) * (id.Outputs - id.Sums) / step
	}
	return id, nil
}

// step is how long a step of so many sequences took; 0 if that was not measured.
func (r *Report) step(batch int) float64 {
	for _, res := range r.Results {
		if res.Name == "decode" && res.Batch == batch {
			return res.SecondsP50
		}
	}
	return 0
}

// echoNodes are expert nodes that answer with what they get, and a dispatcher for them.
type echoNodes struct {
	hidden          int
	experts, firsts []int32 // of a row: all, and one of each node
	servers         []*grpc.Server
	serving         sync.WaitGroup
	dispatcher      Dispatcher
}

func newEchoNodes(dial Dial, s Shape) (*echoNodes, error) {
	n := &echoNodes{hidden: s.Hidden}
	only := &placement.Placement{Epoch: 1, Layers: 1, Experts: s.Active}
	for i := range s.Nodes {
		var own []int
		for e := i; e < s.Active; e += s.Nodes {
			own = append(own, e)
		}
		name := fmt.Sprintf("echo-%d", i)
		address, err := n.serve(echoNode{name: name, hidden: s.Hidden, experts: s.Active, own: own, outputs: s.Outputs})
		if err != nil {
			n.close()
			return nil, err
		}
		only.Nodes = append(only.Nodes, placement.Node{Name: name, Address: address, Experts: [][]int{own}})
		n.firsts = append(n.firsts, int32(i)) //nolint:gosec // below the number of experts
	}
	for e := range s.Active {
		n.experts = append(n.experts, int32(e)) //nolint:gosec // below the number of experts
	}
	n.dispatcher = dial(&placement.Document{Revision: 1, Serving: only, Target: only}, s.Hidden)
	return n, nil
}

// serve starts a node and returns its address.
func (n *echoNodes) serve(node echoNode) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := grpc.NewServer(wire.ServerOptions()...)
	wire.Register(server, node)
	n.servers = append(n.servers, server)
	n.serving.Go(func() { _ = server.Serve(l) })
	return l.Addr().String(), nil
}

// call is a round trip of so many rows, each to the same experts.
func (n *echoNodes) call(rows int, experts []int32) func(context.Context) error {
	x := make([]float32, rows*n.hidden)
	var ids []int32
	for range rows {
		ids = append(ids, experts...)
	}
	out := make([]float32, len(ids)*n.hidden)
	return func(ctx context.Context) error { return n.dispatcher.Do(ctx, 0, x, rows, ids, out) }
}

func (n *echoNodes) close() {
	if n.dispatcher != nil {
		n.dispatcher.Close()
	}
	for _, s := range n.servers {
		s.Stop()
	}
	n.serving.Wait()
}
