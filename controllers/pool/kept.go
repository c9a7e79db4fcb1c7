package pool

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/autoscale"
)

// kept is what must outlive the operator beside the placement: limits for some time after
// the last change depend on it. Both are in the status, moves in the record as well.
type kept struct {
	moved   *v1alpha1.RebalancingStatus // the last moves for balance's sake; nil: none yet
	scaling *v1alpha1.ScalingStatus     // the last step of the autoscaler
}

// heedClock replaces times in the future, which an operator whose clock was ahead has
// left, by the present one: what waits for some time after them would wait until that day
// comes. They are written back in this round, or each later one would replace them again.
func (k *kept) heedClock(now time.Time) {
	if m := k.moved; m != nil && m.Time.After(now) {
		k.moved = m.DeepCopy()
		k.moved.Time = metav1.NewTime(now.Truncate(time.Second))
	}
	if s := k.scaling; s != nil {
		k.scaling = s.DeepCopy()
		for _, t := range []*metav1.Time{k.scaling.Time, k.scaling.ReversalTime} {
			if t != nil && t.After(now) {
				*t = metav1.NewTime(now.Truncate(time.Second))
			}
		}
	}
}

// lastMoved is the newer note of the record and the status; nil if there is none. A time
// ahead of the clock that the status has already replaced counts for what it has there: a
// record that cannot be written (of a deleted pool) keeps it, and each round would find
// another present and write it (invariant 7).
func lastMoved(record, status *v1alpha1.RebalancingStatus, now time.Time) *v1alpha1.RebalancingStatus {
	if record != nil && status != nil && record.Time.After(now) && !status.Time.After(now) &&
		record.Experts == status.Experts && record.Bytes == status.Bytes {
		return status
	}
	return later(record, status)
}

// recall adds to the autoscaler's memory what of it outlives the operator.
func (k kept) recall(m autoscale.Memory) autoscale.Memory {
	s := k.scaling
	if s == nil || s.Time == nil {
		return m
	}
	m.Changed, m.Direction = s.Time.Time, 1
	if s.To < s.From {
		m.Direction = -1
	}
	if s.ReversalTime != nil {
		m.Reversed = s.ReversalTime.Time
	}
	return m
}

// step is what is kept after a decision: the last change, and why the number is as it is.
// A message changes with what it is about only, so that figures that come and go write
// nothing.
func (k kept) step(d autoscale.Decision, wanted int, sameAbout bool, now time.Time) *v1alpha1.ScalingStatus {
	next := &v1alpha1.ScalingStatus{}
	if k.scaling != nil {
		next = k.scaling.DeepCopy()
	}
	if d.Reason != next.Reason || !sameAbout {
		next.Reason, next.Message = d.Reason, d.Message
	}
	if d.Nodes != wanted {
		at := metav1.NewTime(now)
		next.Time, next.From, next.To, next.Message = &at, int32(wanted), int32(d.Nodes), d.Message //nolint:gosec // at most 256
		if !d.Memory.Reversed.IsZero() {
			at := metav1.NewTime(d.Memory.Reversed)
			next.ReversalTime = &at
		}
	}
	return next
}

// lastStep is what stays of the status without spec.scaling: the last change, on which
// the next change of direction depends if the user scales again; nil if there was none.
func lastStep(s *v1alpha1.ScalingStatus) *v1alpha1.ScalingStatus {
	if s == nil || s.Time == nil {
		return nil
	}
	return &v1alpha1.ScalingStatus{Time: s.Time, From: s.From, To: s.To, ReversalTime: s.ReversalTime}
}

// movedAnnotation of the record says when experts last moved because of their
// load and how many bytes that was, written together with the placement that
// moves them: an operator that dies in between cannot spend the budget twice.
const movedAnnotation = "serving.olmoe.dev/rebalanced"

func formatMoved(m *v1alpha1.RebalancingStatus) string {
	return fmt.Sprintf("%s %d %d", m.Time.UTC().Format(time.RFC3339), m.Experts, m.Bytes)
}

// parseMoved reads the annotation; nil if there is none.
func parseMoved(text string) *v1alpha1.RebalancingStatus {
	var m v1alpha1.RebalancingStatus
	var at string
	if n, err := fmt.Sscan(text, &at, &m.Experts, &m.Bytes); n != 3 || err != nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return nil
	}
	m.Time = metav1.NewTime(t)
	return &m
}

// later is the newer of two notes; nil if there is none.
func later(a, b *v1alpha1.RebalancingStatus) *v1alpha1.RebalancingStatus {
	if a == nil || b != nil && b.Time.After(a.Time.Time) {
		return b
	}
	return a
}
