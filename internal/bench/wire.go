package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// Wire is what it takes to send rows to an expert that answers with them as they
// are, next to a unary call and bare TCP with the same bytes: medians of round
// trips over loopback, in turn.
type Wire struct {
	Rows     int     `json:"rows"` // of wireHidden elements, one expert each: as many bytes come back
	Dispatch float64 `json:"dispatch_seconds_p50"`
	Unary    float64 `json:"grpc_unary_seconds_p50"`
	TCP      float64 `json:"tcp_seconds_p50"`
}

const (
	wireHidden = 2048 // OLMoE's hidden size
	// wireTurns of wireRounds round trips make a median: a second or two. Round trips
	// that alternated one by one would pay for each other's garbage and caches.
	wireTurns  = 20
	wireRounds = 100
	wireRows   = 64 // with more rows there are fewer round trips, or they take minutes
)

// Dispatcher is a router's way to the experts, to be closed at the end.
type Dispatcher interface {
	model.Experts
	Close()
}

// Dial makes a Dispatcher for experts of a hidden size that lie as doc says.
type Dial func(doc *placement.Document, hidden int) Dispatcher

// MeasureWire runs its servers in this process.
func MeasureWire(ctx context.Context, dial Dial, rows int) (Wire, error) {
	e, err := newEcho(ctx, dial, rows)
	if err != nil {
		return Wire{}, err
	}
	defer e.close()
	var seconds [3][]float64
	calls := [3]func(context.Context) error{e.dispatch, e.unary, e.tcp}
	for range wireTurns {
		for i, call := range calls {
			if seconds[i], err = rounds(ctx, call, max(1, wireRounds*wireRows/max(rows, wireRows)), seconds[i]); err != nil {
				return Wire{}, err
			}
		}
	}
	return Wire{Rows: rows, Dispatch: median(seconds[0]), Unary: median(seconds[1]), TCP: median(seconds[2])}, nil
}

// rounds appends the times of a turn of n round trips.
func rounds(ctx context.Context, call func(context.Context) error, n int, seconds []float64) ([]float64, error) {
	for range n {
		start := time.Now()
		if err := call(ctx); err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(start).Seconds())
	}
	return seconds, nil
}

// echo is the three servers and a client of each, for messages of one size.
type echo struct {
	rows       int
	server     *grpc.Server
	listener   net.Listener // of bare TCP
	serving    sync.WaitGroup
	dispatcher Dispatcher
	client     *grpc.ClientConn
	conn       net.Conn
	x, out     []float32
	ids        []int32
	buf        []byte
}

func newEcho(ctx context.Context, dial Dial, rows int) (*echo, error) {
	n := rows * wireHidden
	e := &echo{rows: rows, x: make([]float32, n), out: make([]float32, n), ids: make([]int32, rows), buf: make([]byte, 4*n)}
	err := e.openGRPC(dial)
	if err == nil {
		err = e.openTCP(ctx)
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *echo) openGRPC(dial Dial) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.server = grpc.NewServer(wire.ServerOptions()...)
	wire.Register(e.server, echoNode{name: "echo", hidden: wireHidden, experts: 1, own: []int{0}, outputs: wire.Float32})
	e.server.RegisterService(&unaryEcho, nil)
	e.serving.Go(func() { _ = e.server.Serve(l) })
	only := &placement.Placement{Epoch: 1, Layers: 1, Experts: 1,
		Nodes: []placement.Node{{Name: "echo", Address: l.Addr().String(), Experts: [][]int{{0}}}}}
	e.dispatcher = dial(&placement.Document{Revision: 1, Serving: only, Target: only}, wireHidden)
	e.client, err = grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.CallContentSubtype(rawCodec{}.Name()), grpc.MaxCallRecvMsgSize(wire.MaxFrameBytes)))
	return err
}

func (e *echo) openTCP(ctx context.Context) (err error) {
	if e.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if e.conn, err = new(net.Dialer).DialContext(ctx, "tcp", e.listener.Addr().String()); err != nil {
		return err
	}
	peer, err := e.listener.Accept()
	if err != nil {
		return err
	}
	e.serving.Go(func() { // message by message, as the others
		defer func() { _ = peer.Close() }()
		for buf := make([]byte, len(e.buf)); ; {
			if _, err := io.ReadFull(peer, buf); err != nil {
				return
			}
			if _, err := peer.Write(buf); err != nil {
				return
			}
		}
	})
	return nil
}

// close may find anything missing.
func (e *echo) close() {
	if e.dispatcher != nil {
		e.dispatcher.Close()
	}
	if e.client != nil {
		_ = e.client.Close()
	}
	if e.conn != nil {
		_ = e.conn.Close()
	}
	if e.listener != nil {
		_ = e.listener.Close()
	}
	if e.server != nil {
		e.server.Stop()
	}
	e.serving.Wait()
}

func (e *echo) dispatch(ctx context.Context) error {
	return e.dispatcher.Do(ctx, 0, e.x, e.rows, e.ids, e.out)
}

func (e *echo) unary(ctx context.Context) error {
	var out []byte
	if err := e.client.Invoke(ctx, unaryMethod, &e.buf, &out); err != nil {
		return err
	}
	if len(out) != len(e.buf) {
		return fmt.Errorf("unary echo of %d bytes gave %d", len(e.buf), len(out))
	}
	return nil
}

func (e *echo) tcp(context.Context) error {
	if _, err := e.conn.Write(e.buf); err != nil {
		return err
	}
	_, err := io.ReadFull(e.conn, e.buf)
	return err
}
