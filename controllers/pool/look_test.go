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

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet/fleettest"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
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
	p.doc = testDocument(t, p.view, 9)
	p.doc.Target = nil
	p.decision.Doc = p.doc
	for i, name := range []string{"demo-experts-0", "demo-experts-1", "demo-experts-2"} {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
		pod.Status.PodIP = "10.0.0." + string(rune('1'+i))
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		p.experts = append(p.experts, pod)
	}
	p.tell(60, 1000, 1000)
	p.say(2, &load.Node{Seconds: 5, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8)})
	return p
}

// say gives a pod the load that it tells.
func (p *pair) say(pod int, n *load.Node) {
	p.fleet.Start(reachable(p.experts[pod : pod+1])[0].Address, fleettest.Pod{Load: n, Model: &fleet.Model{}})
}

// tell gives the two nodes the rows that each of their experts has had in so many seconds.
func (p *pair) tell(seconds float64, rows ...uint64) {
	for i := range p.doc.Serving.Nodes {
		n := &load.Node{Seconds: seconds, ExpertsPerToken: 2, Counts: *load.NewCounts(3, 8), HeldBytes: 12, ExpertBytes: 1}
		for l, held := range p.doc.Serving.Nodes[i].Experts {
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
	p.opinion = p.balanced()
	p.r.setBalanced(p.view, &p.pool.Status)
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
		{"all nodes are gone", func(p *pair) { p.experts = nil }, 1},
		{"there is no time to look", func(p *pair) { p.doc = nil }, 3}, // stands for a router that waits
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
		forget(of)
	}
}

// TestAPodThatNoPlacementNames counts neither as an idle node nor as one that knows little.
func TestAPodThatNoPlacementNames(t *testing.T) {
	p := newPair(t)
	p.next(t, 0)
	s := p.memory.report.Summary
	if s.Answered != 2 || s.Balancedness[0] != 1 || s.Seconds != 60 {
		t.Errorf("%+v, want two nodes of a perfect balance that tell a minute", s)
	}
	if p.loads() == nil {
		t.Error("nothing is learnt beside a pod that has just started")
	}
}
