package dispatch

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// The round trip of one row and of 32, with one expert each so that as many
// bytes come back as go out, next to grpc-go unary and to bare TCP with the same
// bytes. Each reports its median, for the ratio.
const benchHidden = 2048

func BenchmarkRoundTrip(b *testing.B) {
	for _, rows := range []int{1, 32} {
		b.Run(fmt.Sprintf("dispatch/rows=%d", rows), func(b *testing.B) { benchDispatch(b, rows) })
		b.Run(fmt.Sprintf("unary/rows=%d", rows), func(b *testing.B) { benchUnary(b, rows) })
		b.Run(fmt.Sprintf("tcp/rows=%d", rows), func(b *testing.B) { benchTCP(b, rows) })
	}
}

func benchDispatch(b *testing.B, rows int) {
	m := sizes{layers: 1, experts: 1, hidden: benchHidden}
	n := startFake(b, m, "node", "127.0.0.1:0")
	n.compute = func(_ int, _ uint16, in, out []float32) { copy(out, in) }
	d := New(Options{Layers: 1, Experts: 1, Hidden: benchHidden, Log: logr.Discard()})
	defer d.Close()
	d.Apply(place(m, 1, n))
	x, out, ids := make([]float32, rows*benchHidden), make([]float32, rows*benchHidden), make([]int32, rows)
	times := newTimes(b)
	for b.Loop() {
		start := times.start()
		if err := d.Do(context.Background(), 0, x, rows, ids, out); err != nil {
			b.Fatal(err)
		}
		times.stop(start)
	}
	times.report()
}

// rawCodec passes bytes as they are: what protobuf would cost comes on top.
type rawCodec struct{}

func (rawCodec) Name() string { return "bench-raw" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func init() { encoding.RegisterCodecV2(rawCodec{}) }

func benchUnary(b *testing.B, rows int) {
	l := listen(b, "127.0.0.1:0")
	s := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxFrameBytes))
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Call", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var in []byte
			err := dec(&in)
			return &in, err
		}}}}, nil)
	go func() { _ = s.Serve(l) }()
	defer s.Stop()
	cc, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.CallContentSubtype("bench-raw")))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	in := make([]byte, 4*rows*benchHidden)
	times := newTimes(b)
	for b.Loop() {
		start := times.start()
		var out []byte
		if err := cc.Invoke(context.Background(), "/bench.Echo/Call", &in, &out); err != nil || len(out) != len(in) {
			b.Fatal(err, len(out))
		}
		times.stop(start)
	}
	times.report()
}

func benchTCP(b *testing.B, rows int) {
	l := listen(b, "127.0.0.1:0")
	defer func() { _ = l.Close() }()
	size := 4 * rows * benchHidden
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		for buf := make([]byte, size); ; {
			if readFull(c, buf) != nil {
				return
			}
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	buf := make([]byte, size)
	times := newTimes(b)
	for b.Loop() {
		start := times.start()
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if err := readFull(c, buf); err != nil {
			b.Fatal(err)
		}
		times.stop(start)
	}
	times.report()
}
