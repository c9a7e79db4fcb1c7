package pool

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// pair is a pool of two nodes whose looks a test makes; a third pod has just started.
type pair struct {
	r Reconciler
	*view
	fleet *fleettest.Fleet
}

const testWindow = 60 * time.Second

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{view: testView(), fleet: fleettest.New()}
	p.r.Fleet, p.r.Events = p.fleet, &events.FakeRecorder{}
	p.now, p.memory = time.Unix(1e6, 0), &memory{}
	p.pool.Spec.Experts.Rebalancing.Mode = v1alpha1.RebalanceByLoad
	p.record.doc = testDocument(t, p.view, 9)
	p.record.doc.Target = nil
	p.decision.Doc = p.record.doc
	for i, name := range []string{"demo-experts-0", "demo-experts-1", "demo-experts-2"} {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
		pod.Status.PodIP = "10.0.0." + string(rune('1'+i))
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		p.pods.experts = append(p.pods.experts, pod)
	}
	p.tell(60, 1000, 1000)
	p.say(2, &load.Node{Seconds: 5, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8)})
	return p
}

// say gives a pod the load that it tells.
func (p *pair) say(pod int, n *load.Node) {
	p.fleet.Start(reachable(p.pods.experts[pod : pod+1])[0].Address, fleettest.Pod{Load: n, Model: &fleet.Model{}})
}

// tell gives the two nodes the rows that each of their experts has had in so many seconds.
func (p *pair) tell(seconds float64, rows ...uint64) {
	for i := range p.record.doc.Serving.Nodes {
		n := &load.Node{Seconds: seconds, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8), HeldBytes: 12, ExpertBytes: 1}
		for l, held := range p.record.doc.Serving.Nodes[i].Experts {
			for _, e := range held {
				n.Rows[l][e], n.Activations[l][e], n.BusyNs[l][e] = rows[i], rows[i], 1e9
			}
		}
		p.say(i, n)
	}
}

// next is a round some time later.
func (p *pair) next(t *testing.T, later time.Duration) {
	t.Helper()
	p.now, p.looked = p.now.Add(later), false
	p.r.look(t.Context(), p.view)
	p.balanced = p.balancing().condition()
	p.r.setBalanced(p.view, &p.pool.Status)
}

func (p *pair) reason() string {
	return conditions.Of(p.pool.Status.Conditions, v1alpha1.ConditionBalanced).Reason
}

// TestOldFiguresAreNotShown: an autoscaler must not take the last figure of a load that
// is no longer looked at for a new one.
func TestOldFiguresAreNotShown(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	cases := []struct {
		name   string
		change func(p *pair)
		rounds int
	}{
		{"nobody wants to know any more", func(p *pair) { p.pool.Spec.Experts.Rebalancing.Mode = v1alpha1.RebalanceOff }, 1},
		{"all nodes are gone", func(p *pair) { p.pods.experts = nil }, 1},
		{"there is no time to look", func(p *pair) { p.record.doc = nil }, 3}, // stands for a router that waits
	}
	for i, c := range cases {
		p := newPair(t)
		of := ctrl.Request{NamespacedName: types.NamespacedName{Namespace: t.Name(), Name: string(rune('a' + i))}}
		p.next(t, 0)
		p.measureLoad(of)
		before := testutil.CollectAndCount(busiestGauge)
		p.next(t, time.Second) // between two looks
		p.measureLoad(of)
		if n := testutil.CollectAndCount(busiestGauge); n != before {
			t.Errorf("%s: %d series between two looks, %d before", c.name, n, before)
		}
		c.change(p)
		for range c.rounds {
			p.next(t, interval)
			p.measureLoad(of)
		}
		if n := testutil.CollectAndCount(busiestGauge); n != before-1 {
			t.Errorf("%s: %d series, want %d", c.name, n, before-1)
		}
		ofPools.Forget(of)
	}
}

// TestWhyNothingIsLearnt: too few tokens are one reason of several.
func TestWhyNothingIsLearnt(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	cases := []struct {
		name string
		last string
		tell func(p *pair)
		want string
	}{
		{"too few tokens", v1alpha1.ReasonBalanced, func(p *pair) { p.tell(60, 1, 1) }, v1alpha1.ReasonTooFewTokens},
		{"a node has just started", v1alpha1.ReasonBalanced, func(p *pair) { p.tell(30, 1000, 1000) }, v1alpha1.ReasonBalanced},
		{"the traffic is changing", v1alpha1.ReasonBudgetSpent, func(p *pair) { p.tell(60, 100, 5000) }, v1alpha1.ReasonBudgetSpent},
		{"one look is missed", v1alpha1.ReasonBalanced, func(p *pair) { p.pods.experts = p.pods.experts[:1] }, v1alpha1.ReasonBalanced},
		{"it was too few tokens", v1alpha1.ReasonTooFewTokens, func(p *pair) { p.tell(30, 1000, 1000) }, v1alpha1.ReasonProgressing},
		{"nodes tell again", v1alpha1.ReasonLoadUnknown, func(p *pair) { p.tell(30, 1000, 1000) }, v1alpha1.ReasonProgressing},
		{"a pod that no placement names has", v1alpha1.ReasonBalanced, func(*pair) {}, v1alpha1.ReasonBalanced},
	}
	for _, c := range cases {
		p := newPair(t)
		p.next(t, 0)
		p.pool.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionBalanced, Status: metav1.ConditionTrue, Reason: c.last}}
		c.tell(p)
		p.next(t, interval)
		if got := p.reason(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestAPodThatNoPlacementNames counts neither as an idle node nor as one that knows little.
func TestAPodThatNoPlacementNames(t *testing.T) {
	p := newPair(t)
	p.next(t, 0)
	s := p.memory.looks.report.Summary
	if s.Answered != 2 || s.Balancedness[0] != 1 || s.Seconds != 60 {
		t.Errorf("%+v, want two nodes of a perfect balance that tell a minute", s)
	}
	if p.memory.looks.recent(testWindow, p.now) == nil {
		t.Error("nothing is learnt beside a pod that has just started")
	}
}

// TestTooFewTokensIsOfAWholeWindow: after a change of traffic a part of the window is added up.
// That has fewer rows, which says nothing of how many tokens there are.
func TestTooFewTokensIsOfAWholeWindow(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	p := newPair(t)
	p.tell(60, 80, 80) // 320 of a node in a layer and window, and 80 in a quarter
	for look := range 12 {
		if look == 5 {
			p.tell(60, 14, 146)
		}
		p.next(t, interval)
		p.pool.Status.Load = nil // it is told at most once in a window
		p.fillLoad(&p.pool.Status)
		if got := p.reason(); got == v1alpha1.ReasonTooFewTokens {
			t.Errorf("look %d: %s, of %.0f rows", look, got, p.memory.looks.rowsPerNode())
		}
		if got := p.pool.Status.Summary.Balancedness; look > 5 && got != "0.55" {
			t.Errorf("look %d: balancedness %s, want 0.55 as measured", look, got)
		}
	}
}

// TestMoveStuck: a move is stuck when nothing comes of it, however long it takes.
func TestMoveStuck(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	p, told := newPair(t), events.NewFakeRecorder(10)
	p.r.Events = told
	p.record.doc.Target = &placement.Placement{Epoch: 5, Nodes: p.record.doc.Serving.Nodes}
	p.memory.move.follow(p.decision.Doc, p.now)
	hold := func(bytes int64) {
		for i := range 2 {
			p.say(i, &load.Node{Seconds: 60, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8), HeldBytes: bytes, ExpertBytes: 1})
		}
	}
	for n := range int64(10) {
		hold(12 + n)
		p.next(t, interval)
		if got := p.reason(); got != v1alpha1.ReasonMoving {
			t.Fatalf("%s after %v, while nodes load, want Moving", got, time.Duration(n+1)*interval)
		}
	}
	if p.next(t, interval); p.reason() != v1alpha1.ReasonMoving {
		t.Errorf("%s after an interval in which no node has loaded anything", p.reason())
	}
	for range 2 { // and it is told once
		p.next(t, interval)
		if got := p.reason(); got != v1alpha1.ReasonMoveStuck {
			t.Errorf("%s after two intervals in which no node has loaded anything", got)
		}
	}
	wantTold(t, p, told, v1alpha1.ReasonMoveStuck, "placement 5 has been waiting for two intervals")
	hold(30)
	if p.next(t, interval); p.reason() != v1alpha1.ReasonMoving {
		t.Errorf("%s when nodes load again", p.reason())
	}
}

// TestMoveStuckBesideOneThatComesAndGoes: a node that does not answer now and then has loaded
// nothing when it answers again, and a pod that is not in the placement is not waited for.
func TestMoveStuckBesideOneThatComesAndGoes(t *testing.T) {
	const interval = testWindow / load.LooksPerWindow
	p := newPair(t)
	p.record.doc.Target = &placement.Placement{Epoch: 5, Nodes: p.record.doc.Serving.Nodes}
	p.memory.move.follow(p.decision.Doc, p.now)
	all := p.pods.experts
	for n := range 6 {
		p.pods.experts = all
		p.say(2, &load.Node{Seconds: 60, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8), HeldBytes: int64(n), ExpertBytes: 1})
		p.pods.experts = all[n%2:]
		p.next(t, interval)
	}
	if got := p.reason(); got != v1alpha1.ReasonMoveStuck {
		t.Errorf("%s after six intervals in which no node has loaded anything", got)
	}
}

// TestBalancednessIsOfThePlacementInForce: once there are too few tokens to tell, what is
// shown is counted in experts of the placement there is, not what was measured of another.
func TestBalancednessIsOfThePlacementInForce(t *testing.T) {
	p := newPair(t)
	copies := int32(1)
	p.pool.Spec.Replicas, p.pool.Spec.Experts.ReplicasPerExpert = &copies, &copies
	p.tell(60, 1000, 7000)
	p.next(t, 0)
	s := &p.pool.Status
	p.fill(s)
	measured := s.Summary.Balancedness
	p.tell(60, 0, 0)
	for range 2 {
		p.next(t, testWindow)
		p.fill(s)
	}
	if measured != "0.57" || s.Summary.Balancedness != "1.00" || s.Load.TokensPerSecond != "0.0" {
		t.Fatalf("%s measured, then without tokens %s: want 0.57, then 1.00", measured, s.Summary.Balancedness)
	}
	p.record.doc.Serving.Nodes[0].Experts[0] = append(p.record.doc.Serving.Nodes[0].Experts[0], p.record.doc.Serving.Nodes[1].Experts[0]...)
	p.next(t, testWindow)
	p.fill(s)
	if s.Summary.Balancedness != "0.67" { // 4 of its own and half of 4 more, of 8
		t.Errorf("%s after a move without tokens, want 0.67", s.Summary.Balancedness)
	}
}

// TestAnAlarmEndsALook: while a node that hangs is asked for its load a router says that it
// waits for that node. The round does not wait for it as well.
func TestAnAlarmEndsALook(t *testing.T) {
	p := newPair(t)
	p.fleet.Edit(reachable(p.pods.experts[1:2])[0].Address, func(pod *fleettest.Pod) { pod.Frozen = true })
	name := types.NamespacedName{Namespace: p.pool.Namespace, Name: p.pool.Name}
	p.r.alarms.trigger = make(chan event.GenericEvent, 1)
	ended := make(chan time.Duration)
	begun := time.Now()
	go func() { p.next(t, testWindow); ended <- time.Since(begun) }()
	for !p.r.alarms.asking(name) && time.Since(begun) < time.Second {
		time.Sleep(time.Millisecond)
	}
	p.r.alarms.raise(t.Context(), name, []string{"demo-experts-1"})
	if took := <-ended; took > answerTime+time.Second {
		t.Errorf("the look took %s, after an alarm it has %s", took, answerTime)
	}
	if p.memory.looks.missed != 1 {
		t.Errorf("%d looks were missed, want 1: the node has told nothing", p.memory.looks.missed)
	}
}

// asking tells whether a round's questions are under way.
func (a *alarms) asking(pool types.NamespacedName) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of(pool).cancel != nil
}
