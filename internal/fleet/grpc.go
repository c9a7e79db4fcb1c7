package fleet

import (
	"context"
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// maxDocument matches the pods' limit of a placement document.
const maxDocument = 4 << 20

// GRPC talks to pods by their Control service. The zero value is ready to use, and
// must not be copied.
type GRPC struct{ lines lines }

// Describe implements Fleet.
func (g *GRPC) Describe(ctx context.Context, pod Pod) (*Report, error) {
	return g.describe(ctx, pod, &controlpb.DescribeRequest{})
}

// Await implements Fleet.
func (g *GRPC) Await(ctx context.Context, router Pod) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, AwaitTime+Timeout)
	defer cancel()
	return g.describe(ctx, router, &controlpb.DescribeRequest{AwaitSilenceMs: uint32(AwaitTime.Milliseconds())})
}

func (g *GRPC) describe(ctx context.Context, pod Pod, question *controlpb.DescribeRequest) (r *Report, err error) {
	err = g.call(pod, func(c controlpb.ControlClient) error {
		answer, err := c.Describe(ctx, question)
		switch {
		case tooLong(err):
			return fmt.Errorf("its answer is longer than %d bytes: %w", maxReport, ErrAnswer)
		case err != nil:
			return err
		}
		r, err = report(answer)
		return err
	})
	return r, err
}

// Apply implements Fleet.
func (g *GRPC) Apply(ctx context.Context, pod Pod, document []byte) error {
	return g.call(pod, func(c controlpb.ControlClient) error {
		_, err := c.ApplyPlacement(ctx, &controlpb.ApplyPlacementRequest{Document: document})
		return err
	})
}

// SendEndpoints implements Fleet.
func (g *GRPC) SendEndpoints(ctx context.Context, pod Pod, endpoints map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return g.call(pod, func(c controlpb.ControlClient) error {
		_, err := c.ApplyPlacement(ctx, &controlpb.ApplyPlacementRequest{Endpoints: endpoints})
		return err
	})
}

func (g *GRPC) call(pod Pod, do func(controlpb.ControlClient) error) error {
	l, err := g.lines.take(pod.Address)
	if err == nil {
		err = do(controlpb.NewControlClient(l.conn))
		g.lines.release(pod.Address, l, err != nil)
	}
	if err != nil {
		return fmt.Errorf("pod %s at %s: %w", pod.Name, pod.Address, err)
	}
	return nil
}

// report reads what a pod says, and believes no sizes that cannot be: others make lists of
// such lengths.
func report(a *controlpb.DescribeResponse) (*Report, error) {
	if n := len(a.GetSilentNodes()); n > largest {
		return nil, fmt.Errorf("it waits for %d expert nodes, more than %d: %w", n, largest, ErrAnswer)
	}
	r := &Report{
		Revision: a.GetRevision(), ReadyEpoch: a.GetReadyEpoch(), ServingEpoch: a.GetServingEpoch(),
		ExpertsReady: int(a.GetExpertsReady()), ExpertsWanted: int(a.GetExpertsWanted()),
		Ready: a.GetReady(), Draining: a.GetDraining(), Message: a.GetMessage(), Refused: a.GetRefused(), Silent: a.GetSilentNodes(),
	}
	if m := a.GetModel(); m.GetFingerprint() != "" {
		r.Model = &Model{
			Fingerprint: m.GetFingerprint(), Name: m.GetName(),
			Layers: int(m.GetLayers()), Experts: int(m.GetExperts()), ExpertsPerToken: int(m.GetExpertsPerToken()),
			ContextLength: int(m.GetContextLength()),
			ExpertBytes:   int64(m.GetExpertBytes()), RouterBytes: int64(m.GetRouterBytes()), //nolint:gosec // bytes of a model
		}
		if err := placement.CheckSize(r.Model.Layers, r.Model.Experts); err != nil {
			return nil, fmt.Errorf("its model has %w: %w", err, ErrAnswer)
		}
	}
	return r, nil
}
