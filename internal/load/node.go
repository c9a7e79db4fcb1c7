package load

import (
	"fmt"
	"math"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// Node is what one expert node says about a window.
type Node struct {
	Name            string  `json:"name"`
	Instance        uint64  `json:"instance,string"` // random: a restarted node is another one
	Seconds         float64 `json:"seconds"`         // that the window really covers
	ExpertsPerToken int     `json:"experts_per_token"`
	Counts
	WaitingRows int   `json:"waiting_rows"` // now, in the queue
	HeldBytes   int64 `json:"held_bytes"`   // now, of experts in memory
	ExpertBytes int64 `json:"expert_bytes"` // of one expert of one layer
}

// Check says what is wrong with a node's answer: its lists must all have the
// shape [layers][experts].
func (n *Node) Check() error {
	if !(n.Seconds >= 0 && n.Seconds < math.MaxInt32) { // NaN is neither
		return fmt.Errorf("node %s: a window of %v seconds", n.Name, n.Seconds)
	}
	layers, experts := n.Layers(), n.Experts()
	if err := placement.CheckSize(layers, experts); err != nil {
		return fmt.Errorf("node %s: load of %w", n.Name, err)
	}
	for _, m := range []Matrix{n.Rows, n.Activations, n.BusyNs, n.QueueNs} {
		if len(m) != layers {
			return fmt.Errorf("node %s: load of %d layers beside %d", n.Name, len(m), layers)
		}
		for l := range m {
			if len(m[l]) != experts {
				return fmt.Errorf("node %s: load of %d experts in layer %d beside %d", n.Name, len(m[l]), l, experts)
			}
		}
	}
	for _, list := range [][]uint64{n.Tokens, n.Requests, n.RequestQueueNs} {
		if len(list) != layers {
			return fmt.Errorf("node %s: load of %d layers beside %d", n.Name, len(list), layers)
		}
	}
	return nil
}

// Utilisation is the part of the window that the node spent computing, 0 to 1.
func (n *Node) Utilisation() float64 { return n.PerSecond(n.Busy().Seconds()) }

// RowsPerSecond is how many rows its experts computed.
func (n *Node) RowsPerSecond() float64 {
	var rows uint64
	for _, layer := range n.Rows {
		rows += Total(layer)
	}
	return n.PerSecond(float64(rows))
}

// Held is the number of (layer, expert) pairs in memory.
func (n *Node) Held() int {
	if n.ExpertBytes <= 0 {
		return 0
	}
	return int(n.HeldBytes / n.ExpertBytes)
}

// PerSecond spreads something over the window.
func (n *Node) PerSecond(x float64) float64 {
	if n.Seconds <= 0 {
		return 0
	}
	return x / n.Seconds
}
