package fleet

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
)

// program is a pod's Control service.
type program struct {
	controlpb.UnimplementedControlServer
	name   string
	answer *controlpb.DescribeResponse
	got    atomic.Value
	hang   bool          // does not say what it is
	deaf   bool          // takes nothing
	await  atomic.Uint32 // milliseconds, of the last question
}

func (p *program) Describe(ctx context.Context, r *controlpb.DescribeRequest) (*controlpb.DescribeResponse, error) {
	p.await.Store(r.GetAwaitSilenceMs())
	if p.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return p.answer, nil
}

func (p *program) ApplyPlacement(ctx context.Context, r *controlpb.ApplyPlacementRequest) (*controlpb.DescribeResponse, error) {
	if p.deaf {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if len(r.GetDocument()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no document")
	}
	p.got.Store(string(r.GetDocument()))
	return p.answer, nil
}

func serve(t *testing.T, p *program) Pod {
	t.Helper()
	c, _ := startCounted(t, p, "127.0.0.1:0")
	return Pod{Name: "pod", Address: c.Addr().String()}
}

func TestGRPC(t *testing.T) {
	p := &program{answer: &controlpb.DescribeResponse{Revision: 5, ReadyEpoch: 3, ServingEpoch: 2, ExpertsReady: 7, ExpertsWanted: 8, Ready: true, Draining: true, Message: "m", SilentNodes: []string{"s"},
		Model: &controlpb.Model{Fingerprint: "f", Name: "n", Layers: 16, Experts: 64, ExpertsPerToken: 8, ContextLength: 4096, ExpertBytes: 12, RouterBytes: 13}}}
	pod := serve(t, p)
	got, err := (&GRPC{}).Describe(t.Context(), pod)
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Model: &Model{"f", "n", 16, 64, 8, 4096, 12, 13}, Revision: 5, ReadyEpoch: 3, ServingEpoch: 2, ExpertsReady: 7, ExpertsWanted: 8, Ready: true, Draining: true, Message: "m", Silent: []string{"s"}}
	if *got.Model != *want.Model {
		t.Errorf("model %+v", *got.Model)
	}
	got.Model, want.Model = nil, nil
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("report %+v, want %+v", *got, want)
	}
	if p.await.Load() != 0 {
		t.Error("Describe waits for silence")
	}
	if got, err := (&GRPC{}).Await(t.Context(), pod); err != nil || len(got.Silent) != 1 || p.await.Load() != uint32(AwaitTime.Milliseconds()) {
		t.Errorf("Await: %+v, %v, asked to wait %d ms", got, err, p.await.Load())
	}
	document := strings.Repeat("x", maxDocument-64)
	if err := (&GRPC{}).Apply(t.Context(), pod, []byte(document)); err != nil || p.got.Load() != document {
		t.Errorf("a document of almost the largest size did not arrive: %v", err)
	}
	if err := (&GRPC{}).Apply(t.Context(), pod, nil); err == nil || !strings.Contains(err.Error(), " at 127.0.0.1:") {
		t.Errorf("got %v, want an error that names the address", err)
	}
}

func TestModelNotKnownYet(t *testing.T) {
	for _, m := range []*controlpb.Model{nil, {}} {
		if r, err := report(&controlpb.DescribeResponse{Model: m}); err != nil || r.Model != nil {
			t.Errorf("a model %+v was taken from %+v: %v", r.Model, m, err)
		}
	}
}

// mostly are pods that say nothing, but for one.
type mostly struct{ Fleet }

func (mostly) Describe(ctx context.Context, pod Pod) (*Report, error) {
	if pod.Name == "good" {
		return &Report{Revision: 1}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestRoundIsBounded: pods that do not answer cost one time limit together, however
// many there are, and the answers of the others are there: also of those asked last.
func TestRoundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pods []Pod
		for i := range largest - 1 {
			pods = append(pods, Pod{Name: fmt.Sprint("bad", i)})
		}
		start := time.Now()
		answers := DescribeAll(t.Context(), mostly{}, append(pods, Pod{Name: "good"}))
		if took := time.Since(start); took != Timeout {
			t.Errorf("took %s, want %s", took, Timeout)
		}
		if a := answers["good"]; a.Err != nil || a.Report.Revision != 1 {
			t.Errorf("good: %+v", a)
		}
		for _, p := range pods {
			if a := answers[p.Name]; a.Err == nil || a.Report != nil || !a.Hung {
				t.Errorf("%s: %+v", p.Name, a)
			}
		}
	})
}

// slow are pods that take a while to read a document.
type slow struct {
	Fleet
	now, most atomic.Int32
}

func (s *slow) Apply(context.Context, Pod, []byte) error {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	time.Sleep(Timeout / 4)
	return nil
}

// Documents are large, so only some pods are handed one at a time.
func TestDocumentsAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f slow
		ApplyAll(t.Context(), &f, make([]Pod, 3*parallel), nil)
		if got := f.most.Load(); got != parallel {
			t.Errorf("%d at once, want %d", got, parallel)
		}
	})
}

// A router that is told addresses and says nothing holds nobody up.
func TestPointIsBounded(t *testing.T) {
	pod := serve(t, &program{deaf: true})
	if err := (&GRPC{}).SendEndpoints(context.WithoutCancel(t.Context()), pod, map[string]string{"n": "a"}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

// A pod that is gone refuses; one that had no time to answer is not hung.
func TestHung(t *testing.T) {
	if a := DescribeAll(t.Context(), &GRPC{}, []Pod{{Name: "gone", Address: "127.0.0.1:1"}})["gone"]; a.Err == nil || a.Hung {
		t.Errorf("gone: %+v", a)
	}
	pod := serve(t, &program{hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), HungAfter/4)
	defer cancel()
	if a := DescribeAll(ctx, &GRPC{}, []Pod{pod})["pod"]; a.Err == nil || a.Hung {
		t.Errorf("after %s: %+v", HungAfter/4, a)
	}
}

func TestApplyAll(t *testing.T) {
	p := &program{answer: &controlpb.DescribeResponse{}}
	good := serve(t, p)
	failed := ApplyAll(t.Context(), &GRPC{}, []Pod{good, {Name: "gone", Address: "127.0.0.1:1"}}, []byte("doc"))
	if len(failed) != 1 || failed["gone"] == nil || p.got.Load() != "doc" {
		t.Errorf("failed %v, got %v", failed, p.got.Load())
	}
}
