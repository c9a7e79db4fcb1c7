package expertnode

import (
	"fmt"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
)

// describe fills in the node's part of the Control service's answer.
func (n *node) describe(r *controlpb.DescribeResponse) {
	held, a := n.holder.now.Load(), n.holder.want.Load()
	r.Role, r.Name, r.Model = "expert-node", n.opts.Name, n.model
	r.ReadyEpoch = a.readyEpoch(&held.set)
	r.ExpertsWanted = uint32(len(a.order))
	for _, x := range a.order {
		if held.set.Has(x.layer, x.index) {
			r.ExpertsReady++
		}
	}
	r.Draining = n.draining.Load()
	if problem := n.problem(); problem != "" {
		r.Message = n.watcher.Explain(problem)
	} else {
		r.Ready = true
	}
}

// problem says why the node cannot serve its part; "" if it can.
func (n *node) problem() string {
	held, a := n.holder.now.Load(), n.holder.want.Load()
	switch {
	case n.brokenBy() != nil:
		return n.brokenBy().Error()
	case n.draining.Load():
		return "shutting down"
	case a.revision == 0:
		return "no placement yet"
	case !a.named:
		return fmt.Sprintf("the placement (revision %d) has no node %s", a.revision, n.opts.Name)
	case !a.ready(&held.set):
		return fmt.Sprintf("loading: %d experts held, %d assigned", held.set.Count(), len(a.order))
	}
	return ""
}
