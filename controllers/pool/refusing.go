package pool

import (
	"fmt"
	"time"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
)

// refusals are what pods say that have an older document than the published one and did
// not take a newer one, as pods of another version may. They go on with what they have,
// and the next placement waits for them.
func (v *view) refusals() (list []string) {
	if v.record.doc == nil {
		return nil
	}
	for p := range v.pods.all() {
		if a := v.pods.report(p.Name); a != nil && a.Refused != "" && a.Revision < v.record.doc.Revision {
			list = append(list, fmt.Sprintf("pod %s refuses the placement: %s", p.Name, a.Refused))
		}
	}
	return list
}

// noteRefusals keeps since when there have been any.
func (v *view) noteRefusals() {
	switch {
	case len(v.refusals()) == 0:
		v.memory.refused = time.Time{}
	case v.memory.refused.IsZero():
		v.memory.refused = v.now
	}
}

// refusing is their problem; nil if there are none. It may pass: they may be about to be
// replaced.
func (v *view) refusing() *diagnose.Problem {
	list := v.refusals()
	if len(list) == 0 {
		return nil
	}
	passing := v.now.Sub(v.memory.refused) < diagnose.Patience
	return &diagnose.Problem{Reason: v1alpha1.ReasonPlacementRefused, Passing: passing, Message: list[0] + andMore(len(list)-1)}
}
