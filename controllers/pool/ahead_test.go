package pool

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// TestTimesAheadOfTheClock: what an operator with a clock ahead has written counts as now,
// and is written so; what it waits for then comes in time.
func TestTimesAheadOfTheClock(t *testing.T) {
	ahead, before := metav1.NewTime(time.Unix(1e6, 0).AddDate(1, 0, 0)), metav1.NewTime(time.Unix(1e6-5, 0))
	for _, c := range []struct {
		name       string
		told, want metav1.Time
	}{
		{"ahead", ahead, metav1.NewTime(time.Unix(1e6, 0))},
		{"not ahead", before, before},
	} {
		p := newPair(t)
		copies, now := int32(1), p.now
		p.pool.Spec.Replicas, p.pool.Spec.Experts.ReplicasPerExpert = &copies, &copies
		p.pods.answers = answersOf(100)
		p.pool.Status = v1alpha1.ExpertPoolStatus{
			Rebalancing: &v1alpha1.RebalancingStatus{Time: c.told, Experts: 3},
			Scaling:     &v1alpha1.ScalingStatus{Time: c.told.DeepCopy(), From: 1, To: 2, ReversalTime: c.told.DeepCopy()},
			Load:        &v1alpha1.LoadStatus{Time: c.told, TokensPerSecond: "7.0"},
		}
		kept := p.pool.Status.DeepCopy()
		p.kept.moved, p.kept.scaling = p.pool.Status.Rebalancing, p.pool.Status.Scaling
		p.kept.heedClock(p.now)
		if got := p.scaleMemory(); !got.Changed.Equal(c.want.Time) || !got.Reversed.Equal(c.want.Time) {
			t.Errorf("%s: the last step was at %v, the last turn at %v; want %v", c.name, got.Changed, got.Reversed, c.want)
		}
		if !p.pool.Status.Scaling.Time.Equal(kept.Scaling.Time) || !p.pool.Status.Rebalancing.Time.Equal(&kept.Rebalancing.Time) {
			t.Errorf("%s: the object as it was read has changed", c.name)
		}
		p.next(t, 0)
		s := p.pool.Status.DeepCopy()
		p.fill(s)
		if !s.Rebalancing.Time.Equal(&c.want) || !s.Scaling.Time.Equal(&c.want) || !s.Scaling.ReversalTime.Equal(&c.want) {
			t.Errorf("%s: written are %v, %v and %v, want %v", c.name, s.Rebalancing.Time, s.Scaling.Time, s.Scaling.ReversalTime, c.want)
		}
		if told := s.Load.TokensPerSecond != "7.0"; told != (c.told == ahead) {
			t.Errorf("%s: the load was told anew: %t", c.name, told)
		}
		if p.now = now.Add(budgetPeriod); p.budget().left() == 0 {
			t.Errorf("%s: the budget is still spent after a minute", c.name)
		}
	}
}

// TestRecordAheadOfTheClock: a time ahead of the clock in a record that cannot be written,
// as that of a deleted pool, is replaced once, and not by another present in each round
// (invariant 7). What the status does not tell of is heeded.
func TestRecordAheadOfTheClock(t *testing.T) {
	at := func(second int64, experts int32) *v1alpha1.RebalancingStatus {
		return &v1alpha1.RebalancingStatus{Time: metav1.NewTime(time.Unix(1e6+second, 0)), Experts: experts, Bytes: int64(experts) * 100}
	}
	for _, c := range []struct {
		name           string
		record, status *v1alpha1.RebalancingStatus
		want           *v1alpha1.RebalancingStatus // in the second round, a minute later
	}{
		{"ahead, and no status", at(1e5, 3), nil, at(0, 3)},
		{"ahead, other moves in the status", at(1e5, 3), at(-50, 4), at(0, 3)},
		{"both ahead", at(1e5, 3), at(1e5, 3), at(0, 3)},
		{"the status is ahead", at(-50, 3), at(1e5, 4), at(0, 4)},
		{"none is ahead", at(-20, 3), at(-50, 3), at(-20, 3)},
	} {
		status := c.status
		for _, now := range []time.Time{time.Unix(1e6, 0), time.Unix(1e6+60, 0)} {
			k := kept{moved: lastMoved(c.record, status, now)}
			k.heedClock(now)
			status = k.moved
		}
		if !status.Time.Equal(&c.want.Time) || status.Experts != c.want.Experts || status.Bytes != c.want.Bytes {
			t.Errorf("%s: %+v after two rounds, want %+v", c.name, status, c.want)
		}
	}
}
