package pool

import (
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// refusals are what pods say that have an older document than the published one and did
// not take a newer one, as pods of another version may. They go on with what they have,
// and the next placement waits for them.
func (p pods) refusals(doc *placement.Document) (list []string) {
	if doc == nil {
		return nil
	}
	for pod := range p.all() {
		if a := p.report(pod.Name); a != nil && a.Refused != "" && a.Revision < doc.Revision {
			list = append(list, fmt.Sprintf("pod %s refuses the placement: %s", pod.Name, a.Refused))
		}
	}
	return list
}

// refusedSince is since when there have been any, was until now; zero if there are none.
func refusedSince(was time.Time, refusals []string, now time.Time) time.Time {
	switch {
	case len(refusals) == 0:
		return time.Time{}
	case was.IsZero():
		return now
	}
	return was
}

// refusalProblem is their problem; nil if there are none. It may pass: the pods may be
// about to be replaced.
func refusalProblem(refusals []string, since, now time.Time) *diagnose.Problem {
	if len(refusals) == 0 {
		return nil
	}
	passing := now.Sub(since) < diagnose.Patience
	return &diagnose.Problem{Reason: v1alpha1.ReasonPlacementRefused, Passing: passing, Message: refusals[0] + andMore(len(refusals)-1)}
}
