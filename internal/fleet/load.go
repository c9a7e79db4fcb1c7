package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/load/loadpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// LoadAll asks all expert nodes what they did in about the last window, and sums
// it up. Who does not answer in time is listed in the report, with the reason.
func LoadAll(ctx context.Context, f Fleet, pods []Pod, window time.Duration) *load.Report {
	var answers []*load.Node
	var failed []load.Fault
	var mu sync.Mutex
	part := wordsOf(len(pods))
	each(ctx, parallel, pods, func(ctx context.Context, p Pod) {
		n, err := f.Load(ctx, p, window, part)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && (ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded) { // whoever ended it, here or there
			err = p.Late()
		}
		if err != nil {
			failed = append(failed, load.Fault{Node: p.Name, Error: err.Error()})
			return
		}
		answers = append(answers, n)
	})
	return load.NewReport(answers, failed)
}

// wordsOf is how much memory the load of one of so many pods may take.
func wordsOf(pods int) int {
	largest := load.Words(placement.MaxLayers, placement.MaxAllExperts/placement.MaxLayers)
	return min(largest, maxLoads/max(1, pods))
}

// Late is what is said of a pod that let its time pass.
func (p Pod) Late() error { return fmt.Errorf("pod %s at %s: no answer in time", p.Name, p.Address) }

// Load implements Fleet. An answer of another pod, which has got the address
// since, is an error: its load would be taken for this one's.
func (g *GRPC) Load(ctx context.Context, pod Pod, window time.Duration, words int) (n *load.Node, err error) {
	err = g.call(pod, func(c controlpb.ControlClient) error {
		codec := &counting{CodecV2: encoding.GetCodecV2(proto.Name), most: words + maxNames}
		answer, err := c.Load(ctx, &controlpb.LoadRequest{WindowMs: uint32(window.Milliseconds())},
			grpc.ForceCodecV2(codec), grpc.MaxCallRecvMsgSize(maxNumber*words+maxNames))
		switch {
		case codec.over || tooLong(err):
			return tooMuch(words)
		case err != nil:
			return err
		case answer.GetName() != pod.Name:
			return fmt.Errorf("this is pod %q", answer.GetName())
		}
		n, err = loadpb.To(answer)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", err, ErrAnswer)
		case load.Words(n.Layers(), n.Experts()) > words:
			return tooMuch(words)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

func tooMuch(words int) error {
	return fmt.Errorf("its load has more than %d numbers, all that is read of one of so many pods: run fewer expert nodes, or %w", words, ErrAnswer)
}
