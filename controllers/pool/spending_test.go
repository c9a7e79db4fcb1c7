package pool

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestBalancerInTheMetrics: a balancer that does not do its work says so there, too, and
// so does one that makes nodes load something.
func TestBalancerInTheMetrics(t *testing.T) {
	doc := &placement.Document{Revision: 9}
	cases := []struct {
		reason string
		doc    *placement.Document // decided
		ok     float64
		bytes  float64
	}{
		{v1alpha1.ReasonBalanced, doc, 1, 0},
		{v1alpha1.ReasonTooFewTokens, doc, 1, 0},
		{v1alpha1.ReasonBudgetSpent, doc, 1, 0},
		{v1alpha1.ReasonMoving, &placement.Document{Revision: 10}, 1, 700},
		{v1alpha1.ReasonLoadUnknown, doc, 0, 0},
		{v1alpha1.ReasonMoveStuck, doc, 0, 0},
		{v1alpha1.ReasonPlacementFailed, doc, 0, 0},
		{v1alpha1.ReasonBudgetTooSmall, doc, 0, 0},
	}
	for _, c := range cases {
		of := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: t.Name(), Name: c.reason}}
		v := testView()
		v.memory, v.record.doc, v.balanced.reason = &memory{}, doc, c.reason
		v.decision = rollout.Decision{Doc: c.doc, Balance: &rollout.Balance{}}
		v.kept.moved = &v1alpha1.RebalancingStatus{Bytes: 700}
		v.measureLoad(of)
		if ok := testutil.ToFloat64(okGauge.WithLabelValues(of.Namespace, of.Name)); ok != c.ok {
			t.Errorf("%s: ok is %g", c.reason, ok)
		}
		if bytes := testutil.ToFloat64(bytesCounter.WithLabelValues(of.Namespace, of.Name)); bytes != c.bytes {
			t.Errorf("%s: %g bytes, want %g", c.reason, bytes, c.bytes)
		}
		ofPools.Forget(of)
	}
}

// TestTheNewerNoteOfWhatWasSpent: whoever died between two writes, the budget is not spent twice.
func TestTheNewerNoteOfWhatWasSpent(t *testing.T) {
	at := func(second int64) *v1alpha1.RebalancingStatus {
		return &v1alpha1.RebalancingStatus{Time: metav1.Unix(second, 0)}
	}
	older, newer := at(100), at(101)
	for _, c := range []struct {
		name             string
		record, inStatus *v1alpha1.RebalancingStatus
		want             *v1alpha1.RebalancingStatus
	}{
		{"nothing", nil, nil, nil}, {"the record alone", newer, nil, newer}, {"the status alone", nil, newer, newer},
		{"the record is newer", newer, older, newer}, {"the status is newer", older, newer, newer},
	} {
		if got := later(c.record, c.inStatus); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestNoMinuteSpendsTwice: the time of a move is kept in whole seconds, so it may be told too
// early by nearly one.
func TestNoMinuteSpendsTwice(t *testing.T) {
	v := testView()
	v.pods.experts = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "demo-experts-0"}}}
	v.pods.answers = map[string]fleet.Answer{"demo-experts-0": {Report: &fleet.Report{Model: &fleet.Model{ExpertBytes: 1 << 20}}}}
	moved := time.Unix(1e6, 999e6)
	v.now = moved
	if v.budget().left() == 0 {
		t.Fatal("no budget at first")
	}
	v.decision = rollout.Decision{Doc: &placement.Document{}, Balance: &rollout.Balance{Moves: 3}}
	v.noteMoves()
	if v.kept.moved == nil || v.kept.moved.Experts != 3 || v.kept.moved.Bytes != 3<<20 {
		t.Fatalf("%+v is noted", v.kept.moved)
	}
	for after, want := range map[time.Duration]bool{0: false, time.Minute - time.Millisecond: false, time.Minute + time.Second: true} {
		if v.now = moved.Add(after); v.budget().left() > 0 != want {
			t.Errorf("%s after a move: %d experts may move", after, v.budget().left())
		}
	}
}

// TestMovesGainMoreThanChance: of few tokens the nodes' shares differ by chance, and no
// expert moves for that.
func TestMovesGainMoreThanChance(t *testing.T) {
	for rows, want := range map[uint64]float64{100: chance / math.Sqrt(400*3), 10_000: 0.05} { // of each of 4 experts in 3 layers
		p := newPair(t)
		p.tell(60, rows, rows)
		p.next(t, 0)
		if got := p.limits().MinGain; math.Abs(got-want) > 1e-9 {
			t.Errorf("%d rows of an expert: moves must gain %.3f, want %.3f", rows, got, want)
		}
	}
}

// TestOldLoadsAreNotUsed: a plan is made from what was learnt in the last two windows, or
// from none.
func TestOldLoadsAreNotUsed(t *testing.T) {
	p := newPair(t)
	p.next(t, 0)
	for after, want := range map[time.Duration]bool{2 * testWindow: true, 2*testWindow + time.Second: false} {
		if known := p.memory.looks.recent(testWindow, p.now.Add(after)) != nil; known != want {
			t.Errorf("%s later: loads are used: %t", after, known)
		}
	}
}
