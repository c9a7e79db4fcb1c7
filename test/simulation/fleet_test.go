package simulation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// network is the operator's way to the pods. The reconciler calls it from many
// goroutines, so what happens to a message is decided per pod before the round.
type network struct {
	w  *world
	mu sync.Mutex
}

var errRefused = errors.New("connection refused")

// fate of the messages between the operator and one pod in one round.
type fate struct {
	deaf    bool // does not answer
	push    int  // 0: taken at once, 1: late, 2: lost, 3: taken, but the answer is lost, 4: taken and once more later
	loadOff bool // does not tell its load
	slow    bool // routers take it for silent
}

func (f *network) pod(p fleet.Pod) (*pod, fate, error) {
	x := f.w.pods[p.Name]
	if x == nil || x.prog == nil || p.Address != net.JoinHostPort(x.ip, strconv.Itoa(podspec.PortControl)) {
		return nil, fate{}, fmt.Errorf("pod %s at %s: %w", p.Name, p.Address, errRefused)
	}
	x.prog.known = true
	t := f.w.round.fates[p.Name]
	if t.deaf || x.frozen || x.cutOperator || x.lost {
		return nil, t, fmt.Errorf("pod %s at %s: %w", p.Name, p.Address, context.DeadlineExceeded)
	}
	return x, t, nil
}

// Describe implements fleet.Fleet.
func (f *network) Describe(_ context.Context, p fleet.Pod) (*fleet.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, _, err := f.pod(p)
	if err != nil {
		return nil, err
	}
	return x.report(), nil
}

// Await implements fleet.Fleet. Rounds come at random anyhow.
func (f *network) Await(context.Context, fleet.Pod) (*fleet.Report, error) { return nil, errRefused }

// Apply implements fleet.Fleet.
func (f *network) Apply(_ context.Context, p fleet.Pod, raw []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, t, err := f.pod(p)
	if err != nil {
		return err
	}
	switch t.push {
	case 1:
		x.inbox = append(x.inbox, raw)
		return context.DeadlineExceeded
	case 2:
		return context.DeadlineExceeded
	case 3:
		x.take(raw)
		return context.DeadlineExceeded
	case 4:
		x.inbox = append(x.inbox, raw)
	}
	x.take(raw)
	return nil
}

// Load implements fleet.Fleet.
func (f *network) Load(_ context.Context, p fleet.Pod, window time.Duration, _ int) (*load.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x, t, err := f.pod(p)
	if err == nil && (t.loadOff || x.prog.router != nil) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		return nil, err
	}
	return f.w.loadOf(x, window), nil
}

// SendEndpoints implements fleet.Fleet. Routers of this world find nodes by name.
func (f *network) SendEndpoints(_ context.Context, p fleet.Pod, _ map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _, err := f.pod(p)
	return err
}
