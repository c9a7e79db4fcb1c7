package fleettest

import (
	"context"
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// SetLoad sets what the program at an address answers when it is asked for its
// load; nil: it was idle.
func (f *Fleet) SetLoad(address string, n *load.Node) {
	f.Edit(address, func(p *Pod) { p.Load = n })
}

// Load implements fleet.Fleet.
func (f *Fleet) Load(ctx context.Context, pod fleet.Pod, window time.Duration, _ int) (*load.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thaw(ctx, pod)
	p, err := f.reach(pod)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Router || p.Model == nil:
		return nil, fmt.Errorf("pod %s at %s: this pod holds no experts", pod.Name, pod.Address)
	case p.Load != nil:
		n := *p.Load
		n.Name = pod.Name
		return &n, nil
	}
	return &load.Node{
		Name: pod.Name, Seconds: window.Seconds(), ExpertsPerToken: p.Model.ExpertsPerToken,
		Counts: *load.NewCounts(p.Model.Layers, p.Model.Experts), ExpertBytes: p.Model.ExpertBytes,
	}, nil
}
