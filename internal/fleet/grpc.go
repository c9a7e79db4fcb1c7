package fleet

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
)

// maxMessage matches the pods' limit of a placement document.
const maxMessage = 4 << 20

// GRPC talks to pods by their Control service. A connection lives for one call:
// a round every few seconds to pods whose addresses come and go does not pay for
// a pool of connections that must be tidied.
type GRPC struct{}

// Describe implements Fleet.
func (GRPC) Describe(ctx context.Context, pod Pod) (*Report, error) {
	return describe(ctx, pod, &controlpb.DescribeRequest{})
}

// Await implements Fleet.
func (GRPC) Await(ctx context.Context, router Pod) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, AwaitTime+Timeout)
	defer cancel()
	return describe(ctx, router, &controlpb.DescribeRequest{AwaitSilenceMs: uint32(AwaitTime.Milliseconds())})
}

func describe(ctx context.Context, pod Pod, question *controlpb.DescribeRequest) (r *Report, err error) {
	err = call(pod, func(c controlpb.ControlClient) error {
		answer, err := c.Describe(ctx, question)
		if err == nil {
			r = report(answer)
		}
		return err
	})
	return r, err
}

// Apply implements Fleet.
func (GRPC) Apply(ctx context.Context, pod Pod, document []byte) error {
	return call(pod, func(c controlpb.ControlClient) error {
		_, err := c.ApplyPlacement(ctx, &controlpb.ApplyPlacementRequest{Document: document})
		return err
	})
}

// Point implements Fleet.
func (GRPC) Point(ctx context.Context, pod Pod, endpoints map[string]string) error {
	return call(pod, func(c controlpb.ControlClient) error {
		_, err := c.ApplyPlacement(ctx, &controlpb.ApplyPlacementRequest{Endpoints: endpoints})
		return err
	})
}

func call(pod Pod, do func(controlpb.ControlClient) error) error {
	conn, err := grpc.NewClient("passthrough:///"+pod.Address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxMessage), grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return fmt.Errorf("pod %s at %s: %w", pod.Name, pod.Address, err)
	}
	defer func() { _ = conn.Close() }()
	if err := do(controlpb.NewControlClient(conn)); err != nil {
		return fmt.Errorf("pod %s at %s: %w", pod.Name, pod.Address, err)
	}
	return nil
}

func report(a *controlpb.DescribeResponse) *Report {
	r := &Report{
		Revision: a.GetRevision(), ReadyEpoch: a.GetReadyEpoch(), ServingEpoch: a.GetServingEpoch(),
		ExpertsReady: int(a.GetExpertsReady()), ExpertsWanted: int(a.GetExpertsWanted()),
		Ready: a.GetReady(), Draining: a.GetDraining(), Message: a.GetMessage(), Silent: a.GetSilentNodes(),
	}
	if m := a.GetModel(); m.GetFingerprint() != "" {
		r.Model = &Model{
			Fingerprint: m.GetFingerprint(), Name: m.GetName(),
			Layers: int(m.GetLayers()), Experts: int(m.GetExperts()), ExpertsPerToken: int(m.GetExpertsPerToken()),
			ContextLength: int(m.GetContextLength()),
			ExpertBytes:   int64(m.GetExpertBytes()), RouterBytes: int64(m.GetRouterBytes()), //nolint:gosec // bytes of a model
		}
	}
	return r
}
