package wire

import (
	"testing"

	"google.golang.org/grpc/mem"
)

// FuzzFrame feeds bytes to the reader of frames: it must refuse or accept them
// without a panic and without reading past their end. A forged checksum lets the
// fuzzer reach what is behind it.
func FuzzFrame(f *testing.F) {
	for _, o := range []Out{testRequest(), NewError(3, &Failure{Draining, "bye"}), NewAnnounce(Hello, testAnnounce())} {
		f.Add(o.Bytes(), uint16(20), true)
	}
	h := Header{Rows: 1, Pairs: 2, Hidden: 3}
	f.Add(NewResponse(&h, Float32, Timing{}).Bytes(), uint16(5), true)
	f.Add(NewResponse(&h, BFloat16, Timing{}).Bytes(), uint16(4), true)
	f.Add([]byte("OLMD"), uint16(1), false)
	f.Fuzz(func(t *testing.T, frame []byte, chunk uint16, seal bool) {
		if seal && len(frame) >= HeaderSize {
			frame = forge(Out{buf: &frame}, func([]byte) {})
		}
		in := receive(t, frame, int(chunk)+1)
		if readAll(in, 6) == nil && in.left != 0 {
			t.Errorf("%v frame of %d bytes accepted with %d bytes unread", in.Type, len(frame), in.left)
		}
		in.Free()
	})
}

// Buffers go back exactly once: a frame that was read and recycled leaves its
// references balanced (mem panics otherwise), whether it was freed before or not.
func TestBuffersAreFreedOnce(t *testing.T) {
	for name, end := range map[string]func(*In){
		"freed and recycled": func(in *In) { in.Free(); in.Recycle() },
		"recycled":           (*In).Recycle,
		"received into again": func(in *In) {
			if err := (codec{}).Unmarshal(nil, in); err != nil {
				t.Error(err)
			}
		},
	} {
		b := mem.NewBuffer(Pool.Get(4096), &Pool)
		in := NewIn()
		if err := (codec{}).Unmarshal(mem.BufferSlice{b}, in); err != nil {
			t.Fatal(err)
		}
		b.Free() // gRPC's reference
		if b.Len() != 4096 {
			t.Errorf("%s: the frame did not keep its own reference", name)
		}
		end(in)
		if !freed(b) {
			t.Errorf("%s: the buffer is still referenced", name)
		}
	}
}

// freed says that nothing refers to a buffer any more: to read it panics.
func freed(b mem.Buffer) (gone bool) {
	defer func() { gone = recover() != nil }()
	b.ReadOnlyData()
	return false
}
