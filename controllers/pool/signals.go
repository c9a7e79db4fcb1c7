package pool

import (
	"time"

	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// signals are what the nodes said of themselves at the last look.
func (l *looks) signals(pods pods, now time.Time) []autoscale.Node {
	var out []autoscale.Node
	if l.report == nil {
		return out
	}
	for _, n := range l.report.Nodes {
		pod := pods.expert(n.Name)
		out = append(out, autoscale.Node{
			Name: n.Name, Ordinal: rollout.Ordinal(n.Name), Ready: pod != nil && diagnose.Ready(pod),
			Utilization: n.Utilisation(), Queue: n.MeanQueue(), Covered: time.Duration(n.Seconds * float64(time.Second)),
			Age: now.Sub(l.last),
		})
	}
	return out
}

// modelExperts is how many experts a layer has; before the first placement, what any pod
// says, as the rollout goes by routers, too. 0: nobody knows.
func modelExperts(doc *placement.Document, pods pods) (n int) {
	if p := current(doc); p != nil {
		return p.Experts
	}
	for _, a := range pods.answers {
		if a.Report != nil && a.Report.Model != nil {
			n = max(n, a.Report.Model.Experts)
		}
	}
	return n
}
