package bench

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// echoNode is an expert node whose experts answer with their input.
type echoNode struct {
	name            string
	hidden, experts int   // of the model
	own             []int // experts
	outputs         wire.Format
}

// Dispatch implements wire.Server.
func (n echoNode) Dispatch(s grpc.ServerStream) error {
	held := wire.NewBitmap(1, n.experts)
	for _, e := range n.own {
		held.Set(0, e)
	}
	hello := wire.NewAnnounce(wire.Hello, &wire.Announce{Instance: 1, Hidden: n.hidden, Name: n.name, ReadyEpoch: 1, Held: held})
	if err := s.SendMsg(&hello); err != nil {
		return err
	}
	for {
		in := wire.NewIn()
		if err := wire.Receive(s, in); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		o, err := n.answer(in)
		in.Recycle()
		if err != nil {
			return err
		}
		if err := s.SendMsg(&o); err != nil {
			return err
		}
	}
}

// answer has a row's outputs one after the other, as the request names its experts.
func (n echoNode) answer(in *wire.In) (wire.Out, error) {
	counts, experts := make([]uint16, in.Rows), make([]uint16, in.Pairs)
	if err := in.Experts(counts, experts, n.experts); err != nil {
		return wire.Out{}, err
	}
	o := wire.NewResponse(&in.Header, n.outputs, wire.Timing{})
	rest, size := o.Outputs(), n.outputs.Bytes(n.hidden)
	row, pair := make([]float32, n.hidden), 0
	for _, count := range counts {
		if n.outputs == in.Format {
			in.Bytes(rest[:size])
		} else {
			in.Floats(row)
			o.PutOutput(pair, row)
		}
		for range count - 1 {
			rest = rest[copy(rest[size:], rest[:size]):]
		}
		rest, pair = rest[size:], pair+int(count)
	}
	o.Seal()
	return o, nil
}

// rawCodec passes bytes as they are: what protobuf would cost comes on top.
type rawCodec struct{}

// Name implements encoding.CodecV2.
func (rawCodec) Name() string { return "bench-raw" }

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func init() { encoding.RegisterCodecV2(rawCodec{}) }

const unaryMethod = "/bench.Echo/Call"

var unaryEcho = grpc.ServiceDesc{ServiceName: "bench.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
	MethodName: "Call", Handler: func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		err := dec(&in)
		return &in, err
	}}}}
