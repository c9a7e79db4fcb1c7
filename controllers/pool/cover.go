package pool

import (
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// covered counts the (layer, expert) pairs that have a ready owner, and all.
func covered(doc *placement.Document, p pods) (n, total int) {
	at := current(doc)
	if at == nil {
		return 0, 0
	}
	owned := make([]bool, at.Layers*at.Experts)
	for _, node := range at.Nodes {
		if !holds(p, node.Name, at.Epoch, doc.Target == nil) {
			continue
		}
		for l, experts := range node.Experts {
			for _, e := range experts {
				owned[l*at.Experts+e] = true
			}
		}
	}
	for _, ok := range owned {
		if ok {
			n++
		}
	}
	return n, len(owned)
}

// holds says whether a node has loaded its part. At rest the kubelet's probe,
// which asks the pod the same, is enough when the pod is too busy to answer here.
func holds(p pods, node string, epoch int64, atRest bool) bool {
	if a := p.report(node); a != nil {
		return a.ReadyEpoch >= epoch && !a.Draining
	}
	e := p.expert(node)
	return e != nil && diagnose.Ready(e) && atRest
}
