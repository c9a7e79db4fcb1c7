// Package loadpb is a node's load as a message of the control API: pods send it, the
// operator reads it.
package loadpb

import (
	"fmt"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// From is a node's load as a message.
func From(n *load.Node) *controlpb.LoadResponse {
	return &controlpb.LoadResponse{
		Name: n.Name, Instance: n.Instance, Seconds: n.Seconds,
		Layers: uint32(n.Layers()), Experts: uint32(n.Experts()), ExpertsPerToken: uint32(n.ExpertsPerToken),
		Rows: slices.Concat(n.Rows...), Activations: slices.Concat(n.Activations...),
		BusyNs: slices.Concat(n.BusyNs...), QueueNs: slices.Concat(n.QueueNs...),
		Tokens: n.Tokens, Requests: n.Requests, RequestQueueNs: n.RequestQueueNs,
		WaitingRows: uint64(n.WaitingRows), HeldBytes: uint64(n.HeldBytes), ExpertBytes: uint64(n.ExpertBytes),
	}
}

// To reads a node's load from a message. It uses the message's memory.
func To(r *controlpb.LoadResponse) (*load.Node, error) {
	n := &load.Node{
		Name: r.GetName(), Instance: r.GetInstance(), Seconds: r.GetSeconds(), ExpertsPerToken: int(r.GetExpertsPerToken()),
		WaitingRows: int(r.GetWaitingRows()), HeldBytes: int64(r.GetHeldBytes()), ExpertBytes: int64(r.GetExpertBytes()),
	}
	n.Tokens, n.Requests, n.RequestQueueNs = r.GetTokens(), r.GetRequests(), r.GetRequestQueueNs()
	layers, experts := int(r.GetLayers()), int(r.GetExperts())
	if err := placement.CheckSize(layers, experts); err != nil {
		return nil, fmt.Errorf("load of %s: %w", n.Name, err)
	}
	for _, m := range []struct {
		name string
		from []uint64
		to   *load.Matrix
	}{
		{"rows", r.GetRows(), &n.Rows}, {"activations", r.GetActivations(), &n.Activations},
		{"busy_ns", r.GetBusyNs(), &n.BusyNs}, {"queue_ns", r.GetQueueNs(), &n.QueueNs},
	} {
		if len(m.from) != layers*experts {
			return nil, fmt.Errorf("load of %s: %s has %d numbers for %d layers of %d experts", n.Name, m.name, len(m.from), layers, experts)
		}
		*m.to = slices.Collect(slices.Chunk(m.from, experts))
	}
	return n, n.Check()
}
