package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/mem"
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
	return NewRequest(RequestID{Call: 7, Epoch: 9, Layer: 15}, 4, []uint16{1, 2}, []uint16{5, 3, 4}, x, []int32{0, 2})
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

func TestResponseRoundTrip(t *testing.T) {
	h := Header{Type: Request, Layer: 3, Call: 8, Epoch: 2, Rows: 1, Pairs: 2, Hidden: 3}
	want := Timing{Queued: time.Millisecond, Compute: time.Second}
	o := NewResponse(&h, want)
	if n := copy(o.Rows(), []float32{1, 2, 3, 4, 5, 6}); n != len(o.Rows()) {
		t.Errorf("a response of 2 pairs of 3 has room for %d", len(o.Rows()))
	}
	o.Seal()
	for _, chunk := range chunks {
		in := receive(t, o.Bytes(), chunk)
		if err := in.Parse(); err != nil {
			t.Fatal(err)
		}
		got, rows := in.Timing(), make([]float32, 6)
		in.Floats(rows)
		if got != want || !slices.Equal(rows, []float32{1, 2, 3, 4, 5, 6}) || in.Type != Response || in.Call != 8 {
			t.Errorf("chunks of %d: %v %v %+v", chunk, got, rows, in.Header)
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

// Any single damaged byte is noticed.
func TestEveryDamagedByteIsNoticed(t *testing.T) {
	frame := testRequest().Bytes()
	for i := range frame {
		bad := slices.Clone(frame)
		bad[i] ^= 0x10
		if err := receive(t, bad, 32).Parse(); err == nil {
			t.Errorf("byte %d of %d damaged, and the frame is accepted", i, len(frame))
		}
	}
	for n := range frame {
		if err := receive(t, frame[:n], 32).Parse(); err == nil {
			t.Errorf("a frame cut to %d of %d bytes is accepted", n, len(frame))
		}
	}
}

// forge changes a frame and makes its checksum right again.
func forge(o Out, change func(b []byte)) []byte {
	b := slices.Clone(o.Bytes())
	change(b)
	putSum(b, 0)
	putSum(b, sumOf(b))
	return b
}

func put32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
}

func put16(at int, v uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], v) }
}

// Frames with a right checksum and wrong content: what a peer with a bug, or one
// that means harm, could send.
func TestForgedFramesAreRefused(t *testing.T) {
	request := testRequest()
	const lists = HeaderSize
	tests := []struct {
		name   string
		frame  Out
		change func([]byte)
		want   string
	}{
		{"magic", request, func(b []byte) { b[0] = 'X' }, "not a frame"},
		{"version", request, func(b []byte) { b[4] = 1 }, "frame version 1; this program speaks 2"},
		{"type", request, func(b []byte) { b[5] = 77 }, "unknown type 77"},
		{"reserved", request, put32(44, 1), "reserved"},
		{"rows over the limit", request, put32(24, MaxRows+1), "exceeds a limit"},
		{"pairs over the limit", request, put32(28, MaxPairs+1), "exceeds a limit"},
		{"hidden over the limit", request, put32(32, MaxHidden+1), "exceeds a limit"},
		{"2^32-1 bytes", request, put32(36, 1<<32-1), "exceeds a limit"},
		{"length", request, put32(36, 4), "says 4 payload bytes"},
		{"rows of no elements", request, put32(32, 0), "hidden 0"},
		{"no rows", request, put32(24, 0), "request of 0 rows"},
		{"fewer pairs than rows", request, put32(28, 1), "request of 2 rows, 1 pairs"},
		{"rows that are not there", request, put32(24, 3), "payload bytes, not"},
		{"rows in an error", NewError(1, &Failure{NotHeld, ""}), put32(24, 3), "Error frame with 3 rows"},
		{"a row without experts", request, put16(lists, 0), "row 0 asks for no expert"},
		{"counts beyond the pairs", request, put16(lists, 6), "rows ask for 8 experts, the header says 3"},
		{"a row with more experts than there are", request, put16(lists, 7), "row 0 asks for 7 experts, the model has 6 a layer"},
		{"expert out of range", request, put16(lists+4, 6), "pair 0: expert 6, the model has 6"},
		{"padding", request, put16(lists+10, 1), "non-zero padding"},
		{"time queued before the request came", NewResponse(&Header{Pairs: 1, Hidden: 1}, Timing{Queued: -1}), func([]byte) {}, "timing of -1ns queued"},
		{"time computing below zero", NewResponse(&Header{Pairs: 1, Hidden: 1}, Timing{Compute: -1}), func([]byte) {}, "-1ns computing"},
		{"outputs that are not there", NewResponse(&Header{Pairs: 1, Hidden: 1}, Timing{}), put32(28, 2), "has 20 payload bytes, not 24"},
		{"outputs that nobody counts", NewResponse(&Header{Pairs: 1, Hidden: 1}, Timing{}), put32(28, 0), "has 20 payload bytes, not 16"},
		{"an error cut short", newOut(&Header{Type: Error}, 3), func([]byte) {}, "error frame of 3 payload bytes"},
		{"a hello cut short", newOut(&Header{Type: Hello}, 15), func([]byte) {}, "Hello frame of 15 payload bytes"},
		{"message length", NewError(1, &Failure{NotHeld, "abc"}), put16(lists+2, 2), "message of 2 bytes, 3 left"},
		{"message encoding", NewError(1, &Failure{NotHeld, "abc"}), func(b []byte) { b[lists+4] = 0xff }, "invalid UTF-8"},
		{"bitmap sizes", NewAnnounce(Hello, testAnnounce()), put16(lists+8, 900), "names and bitmaps"},
		{"layers over the limit", NewAnnounce(Hello, testAnnounce()), put16(lists+8, MaxLayers+1), "exceeds a limit"},
		{"unknown flag", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[lists+12] = 2 }, "flags 0x2"},
		{"name encoding", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[lists+16] = 0xff }, "invalid UTF-8"},
		{"fingerprint encoding", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[lists+16+len("node-1")] = 0xff }, "invalid UTF-8"},
		{"bit past the last expert", NewAnnounce(Hello, testAnnounce()), func(b []byte) { b[len(b)-1] = 0x80 }, "past the last expert"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := readAll(receive(t, forge(tt.frame, tt.change), 1<<14), 6)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// readAll reads a frame to its end, as router and node of a model do together.
func readAll(in *In, perLayer int) error {
	if err := in.Parse(); err != nil {
		return err
	}
	switch in.Type {
	case Request:
		if err := in.Experts(make([]uint16, in.Rows), make([]uint16, in.Pairs), perLayer); err != nil {
			return err
		}
		in.Floats(make([]float32, in.Rows*in.Hidden))
	case Response:
		in.Floats(make([]float32, in.Pairs*in.Hidden))
	case Error:
		_, err := in.Failure()
		return err
	default:
		_, err := in.Announce()
		return err
	}
	return nil
}

func TestLimitsFitAFrame(t *testing.T) {
	for _, hidden := range []int{1, 64, 2048, 4096, MaxHidden} {
		pairs := PairsPerFrame(hidden)
		rows := RowsPerFrame(hidden, pairs)
		if pairs < MaxPairs && HeaderSize+responseSize(pairs+1, hidden) <= MaxFrameBytes {
			t.Errorf("hidden %d: a frame has room for more than %d pairs", hidden, pairs)
		}
		if pairs < 1 || rows < 1 || HeaderSize+responseSize(pairs, hidden) > MaxFrameBytes || HeaderSize+requestSize(rows, pairs, hidden) > MaxFrameBytes {
			t.Errorf("hidden %d: %d rows and %d pairs do not fit a frame", hidden, rows, pairs)
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

func TestBitmap(t *testing.T) {
	pairs := [][2]int{{0, 0}, {0, 8}, {1, 0}, {1, 7}, {1, 8}}
	full := func() Bitmap {
		b := NewBitmap(2, 9)
		for _, p := range pairs {
			b.Set(p[0], p[1])
		}
		return b
	}
	for _, gone := range pairs {
		b := full()
		b.Clear(gone[0], gone[1])
		for _, p := range pairs {
			if b.Has(p[0], p[1]) != (p != gone) {
				t.Errorf("%v is cleared, and %v is held: %v", gone, p, p == gone)
			}
		}
		if b.Count() != len(pairs)-1 {
			t.Errorf("%v is cleared, and %d of %d are left", gone, b.Count(), len(pairs))
		}
	}
	b := full()
	for _, p := range [][2]int{{-1, 0}, {2, 0}, {0, -1}, {0, 9}, {0, 1}} {
		if b.Has(p[0], p[1]) {
			t.Errorf("has %v", p)
		}
	}
	b = NewBitmap(2, 8) // layers lie side by side
	b.Set(1, 0)
	if b.Has(0, 8) {
		t.Error("the first expert of the next layer is one more of this")
	}
}

// The checksum does not depend on where buffers begin and end, and costs no memory.
func TestChecksumOfAnyBuffers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that can be repeated
	var c checksum
	for _, n := range []int{HeaderSize, sumBlock - 1, sumBlock, sumBlock + 1, 5*sumBlock + 7, 70_000} {
		frame := make([]byte, n)
		for i := range frame {
			frame[i] = byte(r.Uint32())
		}
		want := sumOf(frame)
		for range 50 {
			for rest := frame; len(rest) > 0; {
				k := 1 + r.IntN(min(len(rest), 3*sumBlock))
				c.add(rest[:k])
				rest = rest[k:]
			}
			if got := c.end(); got != want {
				t.Fatalf("%d bytes: %08x in pieces, %08x in one", n, got, want)
			}
		}
		if allocs := testing.AllocsPerRun(10, func() { sumOf(frame) }); allocs > 0 {
			t.Errorf("%d bytes: %g allocations", n, allocs)
		}
	}
	swapped := make([]byte, 2*sumBlock)
	swapped[0] = 1
	first := sumOf(swapped)
	swapped[0], swapped[sumBlock] = 0, 1
	if sumOf(swapped) == first {
		t.Error("blocks in another order have the same checksum")
	}
}
