package dispatch

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// patience bounds what a test waits for; a loaded machine may need seconds.
const patience = 30 * time.Second

type sizes struct{ layers, experts, hidden int }

// small is the model of most tests.
var small = sizes{layers: 3, experts: 8, hidden: 16}

// fakeNode is an expert node with a made-up computation and, on demand, faults.
type fakeNode struct {
	sizes
	name, address, fingerprint string

	compute func(layer int, expert uint16, in, out []float32)
	// fault, if set, may answer a request itself (true) or delay it.
	fault func(s *fakeStream, in *wire.In) bool
	// greet, if set, may change each Hello.
	greet func(hello *wire.Out)

	instance uint64
	sequence atomic.Uint64
	mu       sync.Mutex
	held     wire.Bitmap
	ready    int64 // the epoch that it says to be ready for
	draining bool
	open     map[*fakeStream]struct{}
	requests atomic.Int64
	rows     atomic.Int64
	server   *grpc.Server
}

// fakeStream is one lane; its lock keeps senders apart.
type fakeStream struct {
	mu sync.Mutex
	gs grpc.ServerStream
}

func (s *fakeStream) send(o wire.Out) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gs.SendMsg(&o)
}

var instances atomic.Uint64

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	// The address may be that of a node which is just ending.
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// everyEpoch is above those of all tests.
const everyEpoch = 1 << 30

// startFake starts a node that holds everything, and is ready for every epoch.
func startFake(t testing.TB, m sizes, name, address string) *fakeNode {
	t.Helper()
	l := listen(t, address)
	n := &fakeNode{sizes: m, name: name, address: l.Addr().String(), fingerprint: "f00d", compute: pretend,
		instance: instances.Add(1), held: wire.NewBitmap(m.layers, m.experts), ready: everyEpoch, open: map[*fakeStream]struct{}{}}
	for i := range m.layers * m.experts {
		n.held.Set(i/m.experts, i%m.experts)
	}
	n.server = grpc.NewServer(wire.ServerOptions()...)
	wire.Register(n.server, n)
	go func() { _ = n.server.Serve(l) }()
	t.Cleanup(n.server.Stop)
	return n
}

// pretend is an expert: the output tells layer, expert and input.
func pretend(layer int, expert uint16, in, out []float32) {
	for i := range out {
		out[i] = in[i]*float32(expert+1) + float32(100*layer+i)
	}
}

func (n *fakeNode) announce() *wire.Announce {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := &wire.Announce{Instance: n.instance, Sequence: n.sequence.Load(), Hidden: n.hidden, Name: n.name,
		Fingerprint: n.fingerprint, Draining: n.draining, ReadyEpoch: n.ready, Held: wire.NewBitmap(n.layers, n.experts)}
	for i := range n.layers * n.experts {
		if n.held.Has(i/n.experts, i%n.experts) {
			a.Held.Set(i/n.experts, i%n.experts)
		}
	}
	return a
}

// without is a copy of a bitmap that lacks one pair.
func without(b wire.Bitmap, layer, expert int) wire.Bitmap {
	rest := wire.NewBitmap(b.Layers, b.Experts)
	for i := range b.Layers * b.Experts {
		if l, e := i/b.Experts, i%b.Experts; b.Has(l, e) && (l != layer || e != expert) {
			rest.Set(l, e)
		}
	}
	return rest
}

// breaks sets fault while the node has streams.
func (n *fakeNode) breaks(fault func(s *fakeStream, in *wire.In) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = fault
}

// change alters what the node says and tells its routers.
func (n *fakeNode) change(f func()) {
	n.mu.Lock()
	f()
	open := make([]*fakeStream, 0, len(n.open))
	for s := range n.open {
		open = append(open, s)
	}
	n.mu.Unlock()
	n.sequence.Add(1)
	for _, s := range open {
		_ = s.send(wire.NewAnnounce(wire.Update, n.announce()))
	}
}

// Dispatch implements wire.Server.
func (n *fakeNode) Dispatch(gs grpc.ServerStream) error {
	s := &fakeStream{gs: gs}
	hello := wire.NewAnnounce(wire.Hello, n.announce())
	if n.greet != nil {
		n.greet(&hello)
	}
	if err := s.send(hello); err != nil {
		return err
	}
	n.mu.Lock()
	n.open[s] = struct{}{}
	n.mu.Unlock()
	defer func() { n.mu.Lock(); delete(n.open, s); n.mu.Unlock() }()
	var work sync.WaitGroup
	defer work.Wait()
	for {
		in := wire.NewIn()
		if err := wire.Receive(gs, in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		n.requests.Add(1)
		n.rows.Add(int64(in.Rows))
		n.mu.Lock()
		fault := n.fault
		n.mu.Unlock()
		if fault == nil {
			n.serve(s, in)
			continue
		}
		work.Go(func() {
			if !fault(s, in) {
				n.serve(s, in)
			}
		})
	}
}

// serve computes a request and answers it.
func (n *fakeNode) serve(s *fakeStream, in *wire.In) {
	o, err := n.answer(in)
	if err != nil {
		o = wire.NewError(in.Call, &wire.Failure{Code: wire.BadRequest, Message: err.Error()})
	}
	in.Recycle()
	_ = s.send(o)
}

func (n *fakeNode) answer(in *wire.In) (wire.Out, error) {
	counts, experts := make([]uint16, in.Rows), make([]uint16, in.Pairs)
	if err := in.Experts(counts, experts, n.experts); err != nil {
		return wire.Out{}, err
	}
	o := wire.NewResponse(&in.Header, wire.Float32, wire.Timing{})
	row, output, pair := make([]float32, n.hidden), make([]float32, n.hidden), 0
	for _, count := range counts {
		in.Floats(row)
		for range count {
			n.compute(in.Layer, experts[pair], row, output)
			o.PutOutput(pair, output)
			pair++
		}
	}
	o.Seal()
	return o, nil
}

// place gives every expert to all of the nodes.
func place(m sizes, epoch int64, nodes ...*fakeNode) *placement.Document {
	return &placement.Document{Revision: epoch, Serving: placed(m, epoch, func(int, int) []*fakeNode { return nodes }, nodes...)}
}

// placed gives each expert to the owners that f names.
func placed(m sizes, epoch int64, f func(layer, expert int) []*fakeNode, nodes ...*fakeNode) *placement.Placement {
	p := &placement.Placement{Epoch: epoch, Layers: m.layers, Experts: m.experts}
	for _, n := range nodes {
		experts := make([][]int, m.layers)
		for l := range m.layers {
			for e := range m.experts {
				if slices.Contains(f(l, e), n) {
					experts[l] = append(experts[l], e)
				}
			}
		}
		p.Nodes = append(p.Nodes, placement.Node{Name: n.name, Address: n.address, Experts: experts})
	}
	return p
}

// await polls until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// task is one Do with its expected answer.
type task struct {
	layer, rows int
	x           []float32
	ids         []int32
	want        []float32
}

func newTask(m sizes, layer, rows int, ids ...int32) *task {
	t := &task{layer: layer, rows: rows, ids: ids, x: make([]float32, rows*m.hidden), want: make([]float32, len(ids)*m.hidden)}
	for i := range t.x {
		t.x[i] = float32(i%31) - 15
	}
	k := len(ids) / rows
	for p, e := range ids {
		row := t.x[p/k*m.hidden:][:m.hidden]
		pretend(layer, uint16(e), row, t.want[p*m.hidden:(p+1)*m.hidden])
	}
	return t
}

var errWrong = errors.New("an answer differs from the reference")

func (t *task) do(ctx context.Context, d *Dispatcher) error {
	out := make([]float32, len(t.want))
	if err := d.Do(ctx, t.layer, t.x, t.rows, t.ids, out); err != nil {
		return err
	}
	if !slices.Equal(out, t.want) {
		return errWrong
	}
	return nil
}
