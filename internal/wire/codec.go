package wire

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// CodecName is the gRPC content-subtype of frames.
const CodecName = "olmoe-frame"

func init() { encoding.RegisterCodecV2(codec{}) }

// codec passes frames through: an Out gives its buffer to gRPC, which returns it
// to the Pool once it is written; an In keeps references to what gRPC read.
type codec struct{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return CodecName }

// Marshal implements encoding.CodecV2 for *Out. The buffer belongs to gRPC from then on.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	o, ok := v.(*Out)
	if !ok || o.buf == nil {
		return nil, fmt.Errorf("%s codec: cannot send %T", CodecName, v)
	}
	b := mem.NewBuffer(o.buf, &Pool)
	o.buf = nil
	return mem.BufferSlice{b}, nil
}

// Unmarshal implements encoding.CodecV2 for *In. It keeps the bytes and reads
// none: In.Parse does, where its error can be told from a lost connection.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	in, ok := v.(*In)
	if !ok {
		return fmt.Errorf("%s codec: cannot receive into %T", CodecName, v)
	}
	in.Free()
	data.Ref()
	in.bufs = append(in.bufs, data...)
	return nil
}
