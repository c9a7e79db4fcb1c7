package pool

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// wantTold checks that trouble is told in the condition, in the metric and in one event,
// however many rounds it lasts.
func wantTold(t *testing.T, p *pair, told *events.FakeRecorder, reason, says string) {
	t.Helper()
	c := conditions.Of(p.pool.Status.Conditions, v1alpha1.ConditionBalanced)
	if c.Status != metav1.ConditionFalse || c.Reason != reason || !strings.Contains(c.Message, says) {
		t.Errorf("%s %s: %q, want False %s: ...%s...", c.Status, c.Reason, c.Message, reason, says)
	}
	of := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "pool", Name: strings.ToLower(t.Name())}}
	defer ofPools.Forget(of)
	p.measureLoad(of)
	if ok := testutil.ToFloat64(okGauge.WithLabelValues(of.Namespace, of.Name)); ok != 0 {
		t.Errorf("olmoe_pool_balancer_ok is %v", ok)
	}
	if n := len(told.Events); n != 1 {
		t.Fatalf("%d events, want 1", n)
	}
	if e := <-told.Events; !strings.HasPrefix(e, "Warning "+reason+" ") || !strings.Contains(e, says) {
		t.Errorf("event %q, want a warning of %s: ...%s...", e, reason, says)
	}
}

// TestAPlacementThatFailsIsTold: at the look that finds it, until one finds another thing.
func TestAPlacementThatFailsIsTold(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	p, told := newJudge(t, true)
	for range 3 {
		p.now, p.looked = p.now.Add(interval), true
		p.decision.Balance = &rollout.Balance{Err: errors.New("no room")}
		p.balanced = p.balancing().condition()
		p.r.setBalanced(p.view, &p.pool.Status)
		p.now, p.looked, p.decision.Balance = p.now.Add(time.Second), false, nil // and between two looks
		p.balanced = p.balancing().condition()
		p.r.setBalanced(p.view, &p.pool.Status)
	}
	wantTold(t, p, told, v1alpha1.ReasonPlacementFailed, "no placement can be made from the load: no room")
	if p.round(t, interval); p.reason() != v1alpha1.ReasonBalanced {
		t.Errorf("%s when a placement can be made again", p.reason())
	}
}

// TestTheStatusShowsTheLoad: the hottest expert, and the balancedness of each layer and of
// the worst.
func TestTheStatusShowsTheLoad(t *testing.T) {
	p := newPair(t)
	nodes := p.record.doc.Serving.Nodes
	for i := range nodes {
		n := &load.Node{Seconds: 60, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8)}
		for l, held := range nodes[i].Experts {
			for _, e := range held {
				n.Rows[l][e] = 1000
				if i == 0 && l == 1 { // node 0 has three times the rows of the other in this layer
					n.Rows[l][e] = 3000
				}
			}
		}
		if i == 0 {
			n.Rows[2][nodes[0].Experts[2][0]] = 5000 // of 12000: 3.33 times the mean
		}
		p.say(i, n)
	}
	p.next(t, 0)
	s := &p.pool.Status
	p.fillLoad(s)
	if want := []string{"1.00", "0.67", "0.75"}; strings.Join(s.Balancedness, " ") != strings.Join(want, " ") || s.Summary.Balancedness != "0.67" {
		t.Errorf("balancedness %q, in the summary %s; want %q and the least", s.Balancedness, s.Summary.Balancedness, want)
	}
	hottest, of := s.Load.HottestExpert, nodes[0].Experts[2][0]
	if want := (v1alpha1.HottestExpert{Layer: 2, Expert: int32(of), TimesMean: "3.33"}); hottest == nil || *hottest != want { //nolint:gosec // of 8 experts
		t.Errorf("hottest expert %+v, want %+v", hottest, want)
	}
}
