package pool

import (
	"time"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
)

// view is what one round sees and decides. It puts together what the types of this package
// are made from, which know only what they are handed.
type view struct {
	now    time.Time
	pool   *v1alpha1.ExpertPool
	memory *memory // of earlier rounds
	stalls stalls  // likewise

	// What is observed.
	wanted   wanted
	record   record
	kept     kept
	set      nodeSet
	pods     pods
	troubles troubles
	looked   bool // the load was asked for

	// What is decided, and what came of it.
	decision rollout.Decision
	balanced balanceCondition  // of the balancer's work
	refused  *diagnose.Problem // what kept the children from being made
}

// losses are which nodes are lost by now.
func (v *view) losses() losses {
	return losses{v.pods, v.memory.silent, v.stalls, v.wanted.restoreAfter(), v.now}
}

// budget is what nodes may load now. How large an expert is says the first node that knows
// its model, once there is a decision one with the decided document's.
func (v *view) budget() budget {
	b := budget{bytesPerMinute: v.wanted.bytesPerMinute(), moved: v.kept.moved, now: v.now}
	if m := v.pods.model(v.decision.Doc); m != nil {
		b.expertBytes = m.ExpertBytes
	}
	return b
}

// progress is how far the pool is, by the decision if there is one yet.
func (v *view) progress() progress {
	members := v.wanted.members(v.wanted.nodes())
	return progress{
		nodes: len(members), followed: v.set.followed(), absent: v.set.absent(v.pods, members), missing: v.set.missing(v.pods, members),
		doc: v.record.doc, decision: &v.decision,
	}
}

// readiness is what the round comes to.
func (v *view) readiness() readiness {
	out := readiness{progress: v.progress(), refused: v.refused, problem: v.troubles.worst(v.pods.experts, &v.set), makesRoom: makesRoom(v.decision.Problem, v.wanted, v.kept)}
	out.owned, out.total = covered(v.decision.Doc, v.pods)
	out.silence = diagnose.Worse(
		v.memory.unheard.problem(v.losses(), v.troubles),
		refusalProblem(v.pods.refusals(v.record.doc), v.memory.refused, v.now))
	return out
}

// balancing is what the balancer's part of it comes to.
func (v *view) balancing() balancing {
	return balancing{v.wanted, &v.memory.looks, v.looked, &v.memory.move, v.budget(), &v.decision, v.pods.waited,
		conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionBalanced), v.now}
}
