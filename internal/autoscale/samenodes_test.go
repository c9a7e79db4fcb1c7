package autoscale

import (
	"testing"
	"time"
)

// TestMovesBetweenTheSameNodes: a balancer that moves experts each minute keeps neither an
// autoscaler that has forgotten what was before from acting, nor one that has seen a step
// from counting the nodes that there are.
func TestMovesBetweenTheSameNodes(t *testing.T) {
	for name, memory := range map[string]Memory{
		"a forgotten step": Memory{}.AfterRestart(noon),
		"a step from 3":    {Moving: noon, Before: 3},
	} {
		nodes := 4
		for look := range 20 { // five minutes
			in := pool(nodes, .95)
			in.Now = noon.Add(time.Duration(look) * 15 * second)
			in.Memory = memory
			in.Changing, in.SameNodes = look%5 == 0, true
			for i := range in.Nodes {
				in.Nodes[i].Covered = 60 * second
			}
			d := Decide(in)
			memory, nodes = d.Memory, d.Nodes
		}
		if nodes < 5 {
			t.Errorf("%s: still %d nodes after five minutes at 95 %%", name, nodes)
		}
	}
}
