package pool

import (
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// wanted is what the user asks for: the pool's spec, with the API's defaults for objects
// that were made before a field was there. It stays as it is for the whole round.
type wanted struct {
	name, namespace string
	spec            *v1alpha1.ExpertPoolSpec
}

func wantedBy(pool *v1alpha1.ExpertPool) wanted {
	return wanted{pool.Name, pool.Namespace, &pool.Spec}
}

// nodes is how many expert nodes there shall be.
func (w wanted) nodes() int { return int(*w.spec.Replicas) }

// copies of each expert.
func (w wanted) copies() int { return int(*w.spec.Experts.ReplicasPerExpert) }

// slots of a node for the experts of a layer; 0: no limit.
func (w wanted) slots() int {
	if s := w.spec.Experts.SlotsPerNode; s != nil {
		return int(*s)
	}
	return 0
}

// members are the nodes that the pool would have with n replicas.
func (w wanted) members(n int) []placement.Node {
	out := make([]placement.Node, n)
	for i := range out {
		name := fmt.Sprintf("%s-%d", podspec.ExpertsName(w.name), i)
		out[i] = placement.Node{Name: name, Address: w.address(name)}
	}
	return out
}

// minNodes is the fewest nodes with room for every expert and its copies; 0 experts: the
// model is not known.
func (w wanted) minNodes(experts int) int {
	copies := w.copies()
	if s := w.slots(); s > 0 {
		return max(copies, (experts*copies+s-1)/s)
	}
	return copies
}

// address is a node's stable DNS name, of the headless Service.
func (w wanted) address(node string) string {
	return fmt.Sprintf("%s.%s.%s.svc:%d", node, podspec.ExpertsName(w.name), w.namespace, podspec.PortControl)
}

// restoreAfter so long a silent node's experts get other owners.
func (w wanted) restoreAfter() time.Duration {
	if s := w.spec.Experts.RestoreAfterSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}

// balances says whether experts may move because of their load.
func (w wanted) balances() bool { return w.spec.Experts.Rebalancing.Mode != v1alpha1.RebalanceOff }

// scales says whether the autoscaler chooses the number of nodes.
func (w wanted) scales() bool { return w.spec.Scaling != nil }

// measures says whether anybody wants to know the load.
func (w wanted) measures() bool { return w.balances() || w.scales() }

// window in which load is measured.
func (w wanted) window() time.Duration {
	if s := w.spec.Experts.Rebalancing.WindowSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return load.DefaultWindow
}

// lookInterval is the time between two looks at the load.
func (w wanted) lookInterval() time.Duration { return w.window() / load.LooksPerWindow }

// bytesPerMinute that nodes may load because of load.
func (w wanted) bytesPerMinute() int64 {
	if q := w.spec.Experts.Rebalancing.MaxBytesPerMinute; q != nil {
		return q.Value()
	}
	return 4 << 30
}

// minGain is what moves have to gain to be worth it.
func (w wanted) minGain() float64 {
	if p := w.spec.Experts.Rebalancing.MinGainPercent; p != nil {
		return float64(*p) / 100
	}
	return 0.05
}
