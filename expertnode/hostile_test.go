package expertnode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// open makes a bare stream to a node that holds everything, past its Hello.
func open(t *testing.T, dir string) (*pool, grpc.ClientStream) {
	t.Helper()
	p := newPool(t, dir, 1)
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))}
	p.publish(doc)
	await(t, "ready", func() bool { code, _ := get(t, p.nodes[0].http+"/ready"); return code == 200 })
	return p, openStream(t, p)
}

func openStream(t *testing.T, p *pool) grpc.ClientStream {
	t.Helper()
	cc, err := wire.Dial(p.nodes[0].grpc, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	s, err := wire.Open(context.Background(), cc, "hostile")
	if err != nil {
		t.Fatal(err)
	}
	in := wire.NewIn()
	defer in.Recycle()
	if err := wire.Receive(s, in); err != nil || in.Type != wire.Hello {
		t.Fatalf("first frame %v, error %v", in.Type, err)
	}
	return s
}

// request asks for experts of layer 0 with one row of ones.
func request(call uint64, layer, hidden int, experts ...uint16) wire.Out {
	x := make([]float32, hidden)
	return wire.NewRequest(wire.RequestID{Call: call, Layer: layer}, hidden, wire.Float32, []uint16{uint16(len(experts))}, experts, x, []int32{0})
}

// wantBadRequest sends a request and wants it refused with a message that has want.
func wantBadRequest(t *testing.T, s grpc.ClientStream, o wire.Out, want string) {
	t.Helper()
	if err := s.SendMsg(&o); err != nil {
		t.Fatal(err)
	}
	in := wire.NewIn()
	defer in.Recycle()
	if err := wire.Receive(s, in); err != nil {
		t.Fatal(err)
	}
	f, err := in.Failure()
	if err != nil || f.Code != wire.BadRequest || !strings.Contains(f.Message, want) {
		t.Errorf("answer %+v, error %v, want BadRequest with %q", f, err, want)
	}
}

// Requests that do not fit are answered with an error, and the stream goes on.
func TestWrongRequestsAreAnswered(t *testing.T) {
	_, s := open(t, sharedModel(t))
	tests := []struct {
		name  string
		frame wire.Out
		want  string
	}{
		{"layer", request(1, 2, 64, 0), "layer 2, hidden 64; the model has 2 layers, hidden 64"},
		{"hidden", request(2, 0, 32, 0), "hidden 32; the model has"},
		{"expert", request(3, 0, 64, 8), "expert 8, the model has 8"},
		{"an expert over and over", request(5, 0, 64, make([]uint16, wire.MaxPairs)...), "row 0 asks for 32768 experts, the model has 8 a layer"},
		{"rows for other weights", wire.NewRequest(wire.RequestID{Call: 6}, 64, wire.Packed, []uint16{1}, []uint16{0}, make([]float32, 64), []int32{0}),
			"rows as 8-bit groups; experts with these weights take float32"},
		{"not a request", wire.NewError(4, &wire.Failure{Code: wire.Draining}), "Error frame from a router"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantBadRequest(t, s, tt.frame, tt.want)
		})
	}
	good := request(9, 1, 64, 0, 7)
	if err := s.SendMsg(&good); err != nil {
		t.Fatal(err)
	}
	in := wire.NewIn()
	defer in.Recycle()
	if err := wire.Receive(s, in); err != nil || in.Type != wire.Response || in.Call != 9 || in.Pairs != 2 {
		t.Errorf("after them a good request gets %+v, error %v", in.Header, err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := wire.Receive(s, in); !errors.Is(err, io.EOF) {
		t.Errorf("after the half-close the stream ends with %v", err)
	}
}

// A short request must not make the node hold an answer that no frame can carry.
func TestMorePairsThanAnAnswerHolds(t *testing.T) {
	wide := tiny()
	wide.HiddenSize, wide.Layers = 1024, 1
	dir := t.TempDir()
	if err := synth.Write(dir, wide); err != nil {
		t.Fatal(err)
	}
	_, s := open(t, dir)
	o := request(1, 0, 1024, make([]uint16, wire.MaxPairs)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantBadRequest(t, s, o, "32768 pairs; an answer holds 16383")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Errorf("a frame of %d bytes cost %d MB", 48+2*(1+wire.MaxPairs)+4*1024, n>>20)
	}
}

// A router that asks for large answers and does not read them makes the node hold some,
// not all it asks for; others are served meanwhile, and it gets them all when it reads.
func TestARouterThatDoesNotRead(t *testing.T) {
	p, good := open(t, sharedModel(t))
	cc, err := grpc.NewClient("passthrough:///"+p.nodes[0].grpc, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxFrameBytes)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	s, err := wire.Open(t.Context(), cc, "hostile")
	if err != nil {
		t.Fatal(err)
	}
	const asked, rows = 16, 2048 // of 16384 pairs each; there is room for four, and one more
	var counts, experts []uint16
	for range rows {
		counts, experts = append(counts, 8), append(experts, 0, 1, 2, 3, 4, 5, 6, 7)
	}
	for call := range uint64(asked) {
		o := wire.NewRequest(wire.RequestID{Call: call}, 64, wire.Float32, counts, experts, make([]float32, 64), make([]int32, rows))
		if err := s.SendMsg(&o); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "as many requests as there is room for, and one more", func() bool { return frames(t, p.nodes[0]) >= 5 })
	in := wire.NewIn()
	defer in.Recycle()
	for call := range uint64(3) { // each answer comes after what was read before it is computed
		o := request(call, 0, 64, 0)
		if err := good.SendMsg(&o); err != nil {
			t.Fatal(err)
		}
		if err := wire.Receive(good, in); err != nil || in.Type != wire.Response {
			t.Fatal(in.Type, err)
		}
		in.Free()
	}
	if n := frames(t, p.nodes[0]) - 3; n > 8 { // some answers are gRPC's
		t.Errorf("%d of %d requests were read while no answer was", n, asked)
	}
	for answers := 0; answers < asked; in.Free() {
		if err := wire.Receive(s, in); err != nil {
			t.Fatal(err)
		}
		switch in.Type {
		case wire.Response:
			answers++
		case wire.Error:
			t.Fatal(in.Failure())
		}
	}
}

// frames that a node has read.
func frames(t *testing.T, p *process) (n int) {
	t.Helper()
	_, text := get(t, p.http+"/metrics")
	_, rest, _ := strings.Cut(text, "\nolmoe_expert_frames_total ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Frames that cannot be trusted end their stream, with the reason; the node
// serves on.
func TestDamagedFramesEndTheStream(t *testing.T) {
	p, _ := open(t, sharedModel(t))
	tests := []struct {
		name  string
		frame func() wire.Out
		code  codes.Code
		want  string
	}{
		{"flipped bit", func() wire.Out {
			o := request(1, 0, 64, 0)
			o.Bytes()[70] ^= 1
			return o
		}, codes.DataLoss, "damaged"},
		{"another version", func() wire.Out {
			o := request(1, 0, 64, 0)
			o.Bytes()[4] = 9
			return o
		}, codes.DataLoss, "frame version 9; this program speaks 3"},
		{"oversize", func() wire.Out {
			o := wire.NewResponse(&wire.Header{Pairs: wire.MaxPairs, Hidden: 1024}, wire.Float32, wire.Timing{})
			o.Seal()
			return o
		}, codes.ResourceExhausted, "larger than max"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, o := openStream(t, p), tt.frame()
			err := s.SendMsg(&o)
			if err == nil {
				in := wire.NewIn()
				defer in.Recycle()
				err = wire.Receive(s, in)
			}
			if status.Code(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the stream ends with %v, want %v and %q", err, tt.code, tt.want)
			}
		})
	}
	d := p.router(nil)
	d.Apply(&placement.Document{Revision: 2, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))})
	w := newReference(t, p.dir).work(t, rand.New(rand.NewPCG(2, 2)), 3, 2)
	if err := w.do(context.Background(), d); err != nil {
		t.Errorf("the node does not serve on: %v", err)
	}
}
