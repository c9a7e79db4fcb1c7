package poolsim

import (
	"math"
	"time"
)

// HPA is the algorithm of Kubernetes' HorizontalPodAutoscaler, autoscaling/v2,
// with its defaults (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/):
// ceil(nodes * metric/target) every 15 s unless within 10 % of the target; up at
// once by at most 100 % or 4 pods per 15 s, whichever is more; down to the highest
// wish of the last 300 s, or of what is set. KEDA feeds the same algorithm other metrics.
type HPA struct {
	Min, Max int
	// Stable is how far back the highest wish is looked for before the number goes
	// down (stabilizationWindowSeconds); 300 s where nobody says.
	Stable time.Duration
	// Metric is what is held at Target on average over the nodes.
	Metric func(*Observation) float64
	Target float64

	wishes []wish
	synced time.Duration
	began  bool
}

type wish struct {
	at    time.Duration
	nodes int
}

const (
	hpaSync      = 15 * time.Second
	hpaTolerance = 0.1
	hpaWindow    = 6 // slots that a metric is a mean of: 30 s
	hpaUpPods    = 4
	hpaUpFactor  = 2
)

// HPAStable is Kubernetes' default for HPA.Stable.
const HPAStable = 300 * time.Second

// Want implements Policy.
func (h *HPA) Want(now time.Duration, o *Observation) int {
	if h.began && now-h.synced < hpaSync {
		return o.Wanted
	}
	if !h.began { // what is there counts as the first wish
		h.wishes = append(h.wishes, wish{now, o.Wanted})
	}
	h.began, h.synced = true, now
	desired := o.Wanted
	if ratio := h.Metric(o) / h.Target; math.Abs(ratio-1) > hpaTolerance {
		desired = int(math.Ceil(float64(len(o.Nodes(hpaWindow))) * min(ratio, 1e6)))
		if ratio > 1 {
			desired = max(desired, o.Wanted) // nodes that start count as idle ones
		}
	}
	desired = h.stabilised(now, min(max(desired, h.Min), h.Max))
	return min(desired, max(o.Wanted*hpaUpFactor, o.Wanted+hpaUpPods))
}

// stabilised is the highest wish of the window.
func (h *HPA) stabilised(now time.Duration, desired int) int {
	h.wishes = append(h.wishes, wish{now, desired})
	for now-h.wishes[0].at > h.Stable {
		h.wishes = h.wishes[1:]
	}
	for _, w := range h.wishes {
		desired = max(desired, w.nodes)
	}
	return desired
}

// MeanCPU is the mean part of the time that nodes compute.
func MeanCPU(o *Observation) float64 {
	nodes := o.Nodes(hpaWindow)
	var sum float64
	for _, n := range nodes {
		sum += n.Utilization
	}
	return sum / float64(max(len(nodes), 1))
}

// QueueLength is the number of requests that wait, for each node.
func QueueLength(o *Observation) float64 {
	return o.Waiting() / float64(max(len(o.Nodes(hpaWindow)), 1))
}
