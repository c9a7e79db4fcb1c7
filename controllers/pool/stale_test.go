package pool

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// round is a round of a pool that is not moving: it looks unless routers wait for a node, and
// judges what it has learnt.
func (p *pair) round(t *testing.T, later time.Duration) {
	t.Helper()
	p.now, p.looked, p.decision.Balance = p.now.Add(later), false, nil
	p.memory.looks.expectJudgement(current(p.record.doc), p.wanted.measures(), p.now)
	if len(p.pods.waited) == 0 {
		p.r.look(t.Context(), p.view)
	}
	if p.mayRebalance() != nil {
		p.decision.Balance = &rollout.Balance{}
	}
	p.balanced = p.balancing().condition()
	p.r.setBalanced(p.view, &p.pool.Status)
}

// newJudge is a pool whose load has just been judged, or of which the operator knows nothing.
func newJudge(t *testing.T, judged bool) (*pair, *events.FakeRecorder) {
	t.Helper()
	p, told := newPair(t), events.NewFakeRecorder(10)
	p.r.Events = told
	p.pods.answers = answersOf(100)
	if p.round(t, 0); p.reason() != v1alpha1.ReasonBalanced {
		t.Fatalf("%s at first", p.reason())
	}
	if !judged {
		p.memory = &memory{}
	}
	return p, told
}

// TestAStaleBalancerSaysSo: what was found the last time that the load was judged is not true
// for ever.
func TestAStaleBalancerSaysSo(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	short := func(p *pair) { p.tell(40, 1000, 1000) }
	wait := func(p *pair) { p.pods.waited = []string{"demo-experts-1", "demo-experts-1"} }
	for i, c := range []struct {
		name   string
		judged bool // before; else the operator has just started
		change func(p *pair)
		after  time.Duration
		says   string
	}{
		{"nodes never tell a whole window", true, short, interval, "too short a time is told by demo-experts-0, demo-experts-1"},
		{"nor to a new operator", false, short, interval, "too short a time"},
		{"routers wait for a node", true, wait, 2 * interval, "while routers wait for demo-experts-1"},
		{"also since the operator started", false, wait, 2 * interval, "while routers wait for demo-experts-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, told := newJudge(t, c.judged)
			of := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: t.Name(), Name: string(rune('a' + i))}}
			defer ofPools.Forget(of)
			c.change(p)
			if !c.judged {
				p.round(t, 0)
			}
			for passed := time.Duration(0); passed < c.after; passed += interval {
				if p.round(t, interval); p.reason() != v1alpha1.ReasonBalanced {
					t.Fatalf("%s after %v", p.reason(), passed+interval)
				}
			}
			p.round(t, interval)
			p.measureLoad(of)
			if got := conditions.Of(p.pool.Status.Conditions, v1alpha1.ConditionBalanced); got.Reason != v1alpha1.ReasonLoadUnknown || !strings.Contains(got.Message, c.says) {
				t.Errorf("%s: %q, want LoadUnknown: ...%s...", got.Reason, got.Message, c.says)
			}
			if ok := testutil.ToFloat64(okGauge.WithLabelValues(of.Namespace, of.Name)); ok != 0 || len(told.Events) != 1 {
				t.Errorf("olmoe_pool_balancer_ok is %v, and there are %d events", ok, len(told.Events))
			}
			p.pods.waited = nil
			p.tell(60, 1000, 1000)
			if p.round(t, interval); p.reason() != v1alpha1.ReasonBalanced {
				t.Errorf("%s when the load is judged again", p.reason())
			}
		})
	}
}

// TestAPoolThatChangesIsNotStale: nothing is wrong with a balancer that had no time yet, or
// nothing to judge.
func TestAPoolThatChangesIsNotStale(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	for _, c := range []struct {
		name string
		each func(p *pair, n int) // before round n
		want string
	}{
		{"a placement after the other comes into force", func(p *pair, n int) {
			p.tell(float64(5+15*(n%4)), 1000, 1000) // as a node does that has just started
			if n%4 == 0 {
				p.record.doc.Serving.Epoch++
			}
		}, v1alpha1.ReasonBalanced},
		{"a node starts again every two windows", func(p *pair, n int) {
			p.tell(float64(5+15*min(n%8, 4)), 1000, 1000)
		}, v1alpha1.ReasonBalanced},
		{"there was no traffic for hours, and a node has started", func(p *pair, n int) {
			p.tell(60, 1, 1)
			if n > 400 {
				p.tell(20, 1000, 1000)
			}
		}, v1alpha1.ReasonProgressing},
		{"the balancer is on again after hours", func(p *pair, n int) {
			p.tell(20, 1000, 1000)
			p.pool.Spec.Experts.Rebalancing.Mode = v1alpha1.RebalanceOff
			if n > 400 {
				p.pool.Spec.Experts.Rebalancing.Mode = v1alpha1.RebalanceByLoad
			}
		}, v1alpha1.ReasonProgressing},
	} {
		p, told := newJudge(t, true)
		for n := range 402 {
			c.each(p, n)
			p.round(t, interval)
		}
		if p.reason() != c.want || len(told.Events) > 0 {
			t.Errorf("%s: %s, want %s; %d events", c.name, p.reason(), c.want, len(told.Events))
		}
	}
}
