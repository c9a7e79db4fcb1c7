package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// receive makes an In of bytes that arrive in chunks of a size, as HTTP/2 cuts them.
func receive(t testing.TB, frame []byte, chunk int) *In {
	t.Helper()
	var data mem.BufferSlice
	for rest := frame; len(rest) > 0; {
		n := min(chunk, len(rest))
		data = append(data, mem.SliceBuffer(slices.Clone(rest[:n])))
		rest = rest[n:]
	}
	in := NewIn()
	t.Cleanup(in.Recycle)
	if err := (codec{}).Unmarshal(data, in); err != nil {
		t.Fatal(err)
	}
	return in
}

// testRequest has 3 rows of 4; row 1 is left out of the request.
func testRequest() Out {
	x := []float32{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23}
	return NewRequest(RequestID{Call: 7, Epoch: 9, Layer: 15}, 4, Float32, []uint16{1, 2}, []uint16{5, 3, 4}, x, []int32{0, 2})
}

// The cut of the chunks must not matter.
var chunks = []int{1, 7, HeaderSize, HeaderSize + 1, 1 << 14}

func TestRequestRoundTrip(t *testing.T) {
	for _, chunk := range chunks {
		in := receive(t, testRequest().Bytes(), chunk)
		if err := in.Parse(); err != nil {
			t.Fatal(err)
		}
		want := Header{Type: Request, Layer: 15, Call: 7, Epoch: 9, Rows: 2, Pairs: 3, Hidden: 4}
		if in.Header != want {
			t.Errorf("header %+v, want %+v", in.Header, want)
		}
		counts, experts, rows := make([]uint16, 2), make([]uint16, 3), make([]float32, 8)
		if err := in.Experts(counts, experts, 6); err != nil {
			t.Fatal(err)
		}
		in.Floats(rows[:4])
		in.Floats(rows[4:])
		if !slices.Equal(counts, []uint16{1, 2}) || !slices.Equal(experts, []uint16{5, 3, 4}) ||
			!slices.Equal(rows, []float32{0, 1, 2, 3, 20, 21, 22, 23}) {
			t.Errorf("chunks of %d: counts %v, experts %v, rows %v", chunk, counts, experts, rows)
		}
	}
}

// Packed rows arrive as they are written, wherever buffers end.
func TestPackedRequestRoundTrip(t *testing.T) {
	const hidden = 40 // a group and a part of one
	x := make([]float32, 3*hidden)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	o := NewRequest(RequestID{}, hidden, Packed, []uint16{1, 1}, []uint16{0, 1}, x, []int32{2, 0})
	want := make([]byte, 2*kernels.PackedBytes(hidden))
	kernels.Pack(want, x[2*hidden:])
	kernels.Pack(want[len(want)/2:], x[:hidden])
	for _, chunk := range chunks {
		in := receive(t, o.Bytes(), chunk)
		if err := in.Parse(); err != nil {
			t.Fatal(err)
		}
		if err := in.Experts(make([]uint16, 2), make([]uint16, 2), 2); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		in.Bytes(got[:len(got)/2])
		in.Bytes(got[len(got)/2:])
		if !bytes.Equal(got, want) || in.left != 0 || in.Format != Packed {
			t.Errorf("chunks of %d: %x, want %x", chunk, got, want)
		}
	}
}

func TestResponseRoundTrip(t *testing.T) {
	h := Header{Type: Request, Layer: 3, Call: 8, Epoch: 2, Rows: 1, Pairs: 2, Hidden: 3}
	want := Timing{Queued: time.Millisecond, Compute: time.Second}
	x := []float32{1, 2, 3, 4, 5, 6 + 0x1p-8}
	for format, outputs := range map[Format][]float32{Float32: x, BFloat16: {1, 2, 3, 4, 5, 6}} {
		o := NewResponse(&h, format, want)
		o.PutOutput(1, x[3:])
		o.PutOutput(0, x[:3])
		o.Seal()
		if size := HeaderSize + timingSize + format.Bytes(len(x)); len(o.Bytes()) != size {
			t.Errorf("a response of 2 pairs of 3 has %d bytes, want %d", len(o.Bytes()), size)
		}
		for _, chunk := range chunks {
			in := receive(t, o.Bytes(), chunk)
			if err := in.Parse(); err != nil {
				t.Fatal(err)
			}
			got, rows := in.Timing(), make([]float32, 6)
			in.Floats(rows[:2]) // rows may be read in parts
			in.Floats(rows[2:])
			if got != want || !slices.Equal(rows, outputs) || in.Type != Response || in.Call != 8 || in.Format != format || in.left != 0 {
				t.Errorf("%v, chunks of %d: %v %v %+v", format, chunk, got, rows, in.Header)
			}
		}
	}
}

func TestErrorRoundTrip(t *testing.T) {
	long := strings.Repeat("ü", 200)
	for _, f := range []Failure{{NotHeld, "expert 3"}, {Overloaded, ""}, {Code(99), long}} {
		in := receive(t, NewError(4, &f).Bytes(), 16)
		if err := in.Parse(); err != nil {
			t.Fatal(err)
		}
		got, err := in.Failure()
		if err != nil {
			t.Fatal(err)
		}
		if got.Code != f.Code || !strings.HasPrefix(f.Message, got.Message) || len(got.Message) < min(len(f.Message), MaxText-1) || in.Call != 4 {
			t.Errorf("got %+v for %+v", got, f)
		}
	}
	if s := (&Failure{Code(99), "m"}).Error(); s != "Code(99): m" {
		t.Errorf("unknown code reads %q", s)
	}
	for c, want := range map[Code]string{0: "Unknown", NotHeld: "NotHeld", Broken: "Broken", Broken + 1: "Unknown", 99: "Unknown"} {
		if got := c.Label(); got != want {
			t.Errorf("%v is counted as %s, want %s", c, got, want)
		}
	}
}

func testAnnounce() *Announce {
	a := &Announce{Instance: 1 << 60, Sequence: 12, ReadyEpoch: 5, Hidden: 2048, Draining: true, Name: "node-1",
		Fingerprint: "0123456789abcdef", Held: NewBitmap(3, 11)}
	for _, p := range [][2]int{{0, 0}, {0, 10}, {1, 8}, {2, 7}} {
		a.Held.Set(p[0], p[1])
	}
	return a
}

func TestAnnounceRoundTrip(t *testing.T) {
	want := testAnnounce()
	for _, typ := range []Type{Hello, Update} {
		want.Draining = typ == Update
		in := receive(t, NewAnnounce(typ, want).Bytes(), 9)
		if err := in.Parse(); err != nil {
			t.Fatal(err)
		}
		got, err := in.Announce()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Held.bits, want.Held.bits) {
			t.Errorf("held %v, want %v", got.Held, want.Held)
		}
		got.Held, in.Header.Type = want.Held, typ
		if got.Name != want.Name || got.Fingerprint != want.Fingerprint || got.Instance != want.Instance ||
			got.Sequence != want.Sequence || got.ReadyEpoch != want.ReadyEpoch || got.Hidden != want.Hidden || got.Draining != want.Draining {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestLimitsFitAFrame(t *testing.T) {
	for _, hidden := range []int{1, 64, 2048, 4096, MaxHidden} {
		pairs := PairsPerFrame(hidden)
		rows := RowsPerFrame(hidden, pairs)
		if pairs < MaxPairs && HeaderSize+responseSize(pairs+1, hidden, Float32) <= MaxFrameBytes {
			t.Errorf("hidden %d: a frame has room for more than %d pairs", hidden, pairs)
		}
		for f := range formats {
			if pairs < 1 || rows < 1 || HeaderSize+responseSize(pairs, hidden, f) > MaxFrameBytes || HeaderSize+requestSize(rows, pairs, hidden, f) > MaxFrameBytes {
				t.Errorf("hidden %d: %d rows and %d pairs do not fit a frame as %v", hidden, rows, pairs, f)
			}
		}
	}
}

func TestPoolKeepsTiersApart(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 1 << 14, 1<<20 + 1} {
		b := Pool.Get(n)
		if len(*b) != n || cap(*b)&(cap(*b)-1) != 0 {
			t.Errorf("Get(%d): length %d, capacity %d", n, len(*b), cap(*b))
		}
		Pool.Put(b)
	}
	odd := make([]byte, 300)
	Pool.Put(&odd) // dropped: its capacity is no tier
	if b := Pool.Get(200); cap(*b) != 256 {
		t.Errorf("a foreign buffer of capacity %d came out of the pool", cap(*b))
	}
}

func TestCodecRefusesOtherTypes(t *testing.T) {
	if _, err := (codec{}).Marshal("text"); err == nil {
		t.Error("a string is sent")
	}
	if _, err := (codec{}).Marshal(&Out{}); err == nil {
		t.Error("an empty frame is sent")
	}
	if err := (codec{}).Unmarshal(nil, "text"); err == nil {
		t.Error("a string is received into")
	}
}
