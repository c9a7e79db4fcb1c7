package fleet

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/load/loadpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// liar is a pod of somebody who means harm.
type liar struct {
	controlpb.UnimplementedControlServer
	answer *controlpb.DescribeResponse
	load   *controlpb.LoadResponse
	err    error
}

func (l *liar) Describe(context.Context, *controlpb.DescribeRequest) (*controlpb.DescribeResponse, error) {
	return l.answer, l.err
}

func (l *liar) Load(context.Context, *controlpb.LoadRequest) (*controlpb.LoadResponse, error) {
	return l.load, l.err
}

func start(t *testing.T, c controlpb.ControlServer) Pod {
	t.Helper()
	l, _ := startCounted(t, c, "127.0.0.1:0")
	return Pod{Name: "pod", Address: l.Addr().String()}
}

// What no pod would say is an error that names the pod and what to look at, and nobody is
// made to believe it or to hold it.
func TestNonsenseIsNoAnswer(t *testing.T) {
	model := func(layers, experts uint32) *controlpb.DescribeResponse {
		return &controlpb.DescribeResponse{Model: &controlpb.Model{Fingerprint: "f", Layers: layers, Experts: experts}}
	}
	for want, answer := range map[string]*controlpb.DescribeResponse{
		"its model has 4294967295 layers x 4294967295 experts": model(math.MaxUint32, math.MaxUint32),
		"its model has 5000000 layers x 8 experts":             model(5_000_000, 8),
		"its model has 16 layers x 0 experts":                  model(16, 0),
		"longer than 32768 bytes":                              {Message: strings.Repeat("x", 4<<20)},
		"it waits for 16000 expert nodes":                      {SilentNodes: make([]string, 16_000)},
	} {
		pod := start(t, &liar{answer: answer})
		a := DescribeAll(t.Context(), &GRPC{}, []Pod{pod})["pod"]
		if a.Report != nil || a.Hung || !errors.Is(a.Err, ErrAnswer) {
			t.Errorf("%s: got %+v", want, a)
			continue
		}
		for _, part := range []string{"pod pod at 127.0.0.1:", want, "spec.image"} {
			if !strings.Contains(a.Err.Error(), part) {
				t.Errorf("error %q lacks %q", a.Err, part)
			}
		}
	}
}

// The text of an error is bounded as well.
func TestLongErrorsAreCutOff(t *testing.T) {
	pod := start(t, &liar{err: status.Error(codes.Unavailable, strings.Repeat("x", 1<<20))})
	_, err := (&GRPC{}).Describe(t.Context(), pod)
	if err == nil || len(err.Error()) > maxReport || !strings.HasPrefix(err.Error(), "pod pod at ") {
		t.Errorf("an error of %d bytes: %.100v", len(err.Error()), err)
	}
}

// worst is the load of the largest model there may be, each number as long as it can be.
func worst() *controlpb.LoadResponse {
	n := &load.Node{Name: "pod", Seconds: 120, ExpertsPerToken: math.MaxUint32, Instance: math.MaxUint64,
		WaitingRows: math.MaxInt, HeldBytes: -1, ExpertBytes: -1,
		Counts: *load.NewCounts(placement.MaxLayers, placement.MaxAllExperts/placement.MaxLayers)}
	for _, m := range []load.Matrix{n.Rows, n.Activations, n.BusyNs, n.QueueNs, {n.Tokens, n.Requests, n.RequestQueueNs}} {
		for _, list := range m {
			for i := range list {
				list[i] = math.MaxUint64
			}
		}
	}
	return loadpb.From(n)
}

// The load of the largest model is read; numbers of one byte, of which ten times as many
// fit a message, are not.
func TestLargestLoadFits(t *testing.T) {
	pod, ones := start(t, &liar{load: worst()}), make([]uint64, placement.MaxAllExperts*5/2)
	n, err := (&GRPC{}).Load(t.Context(), pod, time.Minute, wordsOf(1))
	if err != nil || n.QueueNs[placement.MaxLayers-1][0] != math.MaxUint64 {
		t.Fatal(err)
	}
	t.Logf("%d bytes", proto.Size(worst()))
	for name, c := range map[string]struct {
		load  *controlpb.LoadResponse
		words int
	}{
		"many small numbers":     {&controlpb.LoadResponse{Name: "pod", Rows: ones, Activations: ones, BusyNs: ones, QueueNs: ones}, wordsOf(1)},
		"a part of 64":           {worst(), wordsOf(64)},
		"many layers":            {loadpb.From(&load.Node{Name: "pod", Counts: *load.NewCounts(placement.MaxLayers, 1)}), wordsOf(256)},
		"a layer of all experts": {loadpb.From(&load.Node{Name: "pod", Counts: *load.NewCounts(1, placement.MaxAllExperts)}), wordsOf(8)},
	} {
		n, err := (&GRPC{}).Load(t.Context(), start(t, &liar{load: c.load}), time.Minute, c.words)
		if n != nil || !errors.Is(err, ErrAnswer) || !strings.Contains(err.Error(), "pod pod at ") || !strings.Contains(err.Error(), "run fewer expert nodes") {
			t.Errorf("%s: %v, %v", name, n != nil, err)
		}
	}
}

// The largest pool of OLMoE has its part, with twice as many pods as belong to it.
func TestOLMoEFitsItsPart(t *testing.T) {
	if need := load.Words(16, 64); need > wordsOf(256) || need > wordsOf(480) {
		t.Errorf("OLMoE takes %d words of %d", need, wordsOf(256))
	}
}

// Beside everything else the operator has some 100 MiB for what pods say (its limit is 256):
// also if all that they may say is held at once, as messages and as what was read of them.
func TestMemoryOfARound(t *testing.T) {
	const limit = 64 << 20
	if reports := largest * 2 * maxReport; reports > limit {
		t.Errorf("what %d pods are takes %d bytes", largest, reports)
	}
	for pods := 1; pods <= largest; pods++ {
		words := wordsOf(pods)
		message, held := maxNumber*words+maxNames, 8*(words+maxNames)
		if n := min(parallel, pods)*message + pods*held; n > limit {
			t.Fatalf("the loads of %d pods take %d bytes", pods, n)
		}
	}
}
