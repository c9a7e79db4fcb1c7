package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/load/loadpb"
)

// LoadAll asks all expert nodes what they did in about the last window, and sums
// it up. Who does not answer in time is listed in the report, with the reason.
func LoadAll(ctx context.Context, f Fleet, pods []Pod, window time.Duration) *load.Report {
	var answers []*load.Node
	var failed []load.Fault
	var mu sync.Mutex
	each(ctx, parallel, pods, func(ctx context.Context, p Pod) {
		n, err := f.Load(ctx, p, window)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && (ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded) { // whoever ended it, here or there
			err = fmt.Errorf("pod %s at %s: no answer in time", p.Name, p.Address)
		}
		if err != nil {
			failed = append(failed, load.Fault{Node: p.Name, Error: err.Error()})
			return
		}
		answers = append(answers, n)
	})
	return load.NewReport(answers, failed)
}

// Load implements Fleet. An answer of another pod, which has got the address
// since, is an error: its load would be taken for this one's.
func (g *GRPC) Load(ctx context.Context, pod Pod, window time.Duration) (n *load.Node, err error) {
	err = g.call(pod, func(c controlpb.ControlClient) error {
		answer, err := c.Load(ctx, &controlpb.LoadRequest{WindowMs: uint32(window.Milliseconds())})
		if err != nil {
			return err
		}
		if answer.GetName() != pod.Name {
			return fmt.Errorf("this is pod %q", answer.GetName())
		}
		n, err = loadpb.To(answer)
		return err
	})
	return n, err
}
