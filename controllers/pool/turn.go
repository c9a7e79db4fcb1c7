package pool

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
)

// How often pods are asked when no watch event comes first.
const (
	progressInterval = 1 * time.Second        // a placement step waits for pods that load for seconds
	silentInterval   = 500 * time.Millisecond // an expert node of the placement does not answer
	stalledInterval  = 5 * time.Second        // somebody has to act; a watch usually tells first
	restInterval     = 3 * time.Second        // a node may freeze, or lose its experts without a restart
)

// parallelPools are in a round at once. A round waits for answers of pods and computes
// for a millisecond or two, and one machine that dies takes a node of as many pools as it
// runs pods, 110 as kubelets come: all of these are looked at together. It also bounds
// what an operator that starts asks of the API server at once.
const parallelPools = 128

// Turns of rounds (priorities of the queue): where more pools than parallelPools are due,
// those whose rounds last for as long as a pod may take to answer come after all others
// (docs/adr/0149), those that an operator which has just started has not looked at yet
// included (LowPriority). So a pool in need waits for the end of one such round at most,
// however many there are.
const (
	inTurn = 0
	behind = handler.LowPriority - 1
)

// turn of the pool's next round.
func (v *view) turn() int {
	if v.inNeed() || !v.pods.saidNothing() {
		return inTurn
	}
	return behind
}

// inNeed says whether requests wait for experts, or did until their new owners were chosen.
func (v *view) inNeed() bool {
	return len(v.pods.waited) > 0 || v.pods.missesExperts() || v.decision.Doc != nil && v.decision.Doc.Urgent
}

// interval is when to look again without an event.
func (v *view) interval(verdict conditions.Verdict) time.Duration {
	switch {
	case v.decision.Doc != nil && v.decision.Doc.Target != nil:
		return progressInterval
	case v.losses().lately():
		return silentInterval
	case verdict.Ready && v.wanted.measures():
		return min(restInterval, v.wanted.lookInterval())
	case verdict.Ready:
		return restInterval
	case verdict.Stalled:
		return stalledInterval
	}
	return progressInterval
}
