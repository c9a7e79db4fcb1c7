package simulation

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/controllers/pool"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

const (
	poolName  = "sim"
	namespace = "sim"
	maxNodes  = 6
)

// world is everything there is.
type world struct {
	scenario
	seed  uint64
	rnd   *rand.Rand
	still bool // nothing fails any more: the world shall come to rest
	now   time.Time
	api   *api

	operator  *pool.Reconciler // nil: nobody operates
	client    *operatorClient
	fleet     *network
	skew      time.Duration // the operators' clocks against the API's
	clock     time.Duration // this operator's clock against theirs
	round     round
	shown     *v1alpha1.ExpertPool // what the operator has read last
	wish      v1alpha1.ExpertPoolSpec
	pods      map[string]*pod
	instances int
	routers   int // made so far
	load      [layers][experts]float64
	busy      float64 // utilisation of all nodes together
	tide      int     // steps of scaling that the load has turned with

	late    []func() // writes that the API server has not got to
	lateNow bool     // it gets to one

	ledger
	events int // to happen before the world shall rest
	step   int
	trace  []string
	stats  stats
}

// round is what happens in one reconcile.
type round struct {
	crashBefore, crashAfter int // at which write the operator dies; 0: none
	writes                  int
	fates                   map[string]fate
}

func newWorld(seed uint64, events int) *world {
	w := &world{
		scenario: scenarioOf(seed), seed: seed, events: events, rnd: rand.New(rand.NewPCG(seed, 7)),
		now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), api: &api{objects: store{}},
		pods: map[string]*pod{}, ledger: newLedger(), stats: stats{writes: map[string]int{}},
	}
	w.fleet = &network{w: w}
	w.skew = time.Duration(w.rnd.IntN(121)-60) * time.Second
	w.wish = w.someSpec()
	if w.steady {
		w.wishSteady()
	}
	if w.parts {
		w.wishApart()
	}
	o := &v1alpha1.ExpertPool{Spec: w.wish}
	o.Name, o.Namespace, o.Generation = poolName, namespace, 1
	w.api.put(o)
	for range 1 + w.rnd.IntN(2) {
		w.makeRouter()
	}
	w.newOperator()
	return w
}

// someSpec is a wish of the user's.
func (w *world) someSpec() v1alpha1.ExpertPoolSpec {
	nodes, copies := int32(1+w.rnd.IntN(maxNodes)), int32(1+w.rnd.IntN(2))
	nodes = max(nodes, copies)
	budget := resource.NewQuantity(int64([]int{1, 2, 5, 24}[w.rnd.IntN(4)])*expertBytes, resource.BinarySI)
	s := v1alpha1.ExpertPoolSpec{
		Replicas:       &nodes,
		Model:          v1alpha1.Model{Source: "file:///model", Weights: "bf16"},
		ImageSettings:  v1alpha1.ImageSettings{Image: "olmoe:v1", ImagePullPolicy: "IfNotPresent"},
		RouterSelector: metav1.LabelSelector{MatchLabels: podspec.Selector(poolName, podspec.Router)},
		Experts: v1alpha1.ExpertSettings{ExpertPlacement: v1alpha1.ExpertPlacement{
			ReplicasPerExpert: &copies, RestoreAfterSeconds: ptr(int32(2 + w.rnd.IntN(30))),
			Rebalancing: v1alpha1.RebalancingSettings{Mode: v1alpha1.RebalanceByLoad, WindowSeconds: ptr(int32(6)), MinGainPercent: ptr(int32(5)), MaxBytesPerMinute: budget},
		}},
	}
	if w.rnd.IntN(3) == 0 {
		s.Experts.Rebalancing.Mode = v1alpha1.RebalanceOff
	}
	if w.rnd.IntN(2) == 0 {
		need := (experts*copies + nodes - 1) / nodes
		s.Experts.SlotsPerNode = ptr(max(1, need+int32(w.rnd.IntN(4))-1)) // sometimes too few
	}
	if w.rnd.IntN(3) == 0 {
		low := copies + int32(w.rnd.IntN(2))
		s.Scaling = &v1alpha1.ScalingSettings{Min: low, Max: low + int32(w.rnd.IntN(4)), TargetUtilizationPercent: 70, TargetQueueMilliseconds: 20}
	}
	return s
}

func ptr[T any](v T) *T { return &v }

// newOperator starts an operator without memory; its cache is filled first.
func (w *world) newOperator() {
	w.client = newOperatorClient(w)
	w.clock = time.Duration(w.rnd.IntN(int(2*jitter))) - jitter
	w.operator = &pool.Reconciler{Client: w.client, Live: reader{w.api.objects}, Fleet: w.fleet, Events: silence{}, Clock: operatorClock{w}}
}

// jitter is by how much the clocks of two operators differ from each other, at
// most: they run on machines whose clocks are kept by NTP.
const jitter = time.Second

type operatorClock struct{ w *world }

func (c operatorClock) Now() time.Time                  { return c.w.operatorTime() }
func (c operatorClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (w *world) operatorTime() time.Time { return w.now.Add(w.skew + w.clock) }

// silence is a recorder of events that nobody reads.
type silence struct{ events.EventRecorder }

func (silence) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

// reconcile is one round of the operator. It is false when the operator died.
func (w *world) reconcile() (alive bool) {
	w.round = round{fates: map[string]fate{}}
	if !w.still {
		w.fateOfRound()
	}
	w.client.catchUp(w.still)
	w.stats.rounds++
	defer func() {
		switch v := recover(); v.(type) {
		case nil:
		case crash:
			w.stats.crashes++
			alive = false
			w.newOperator()
		default:
			panic(v)
		}
	}()
	_, err := w.operator.Reconcile(context.Background(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: poolName}})
	if err != nil && w.still {
		w.violate("7", "a reconcile failed, with nothing in its way: %v", err)
	}
	return true
}

func (w *world) fateOfRound() {
	if w.tides {
		return // a window of minutes does not outlive an operator, or a signal that is missing
	}
	switch w.rnd.IntN(8) { // most rounds write nothing, and the operator survives them
	case 0, 1:
		w.round.crashAfter = 1 + w.rnd.IntN(3)
	case 2:
		w.round.crashBefore = 1 + w.rnd.IntN(3)
	}
	for _, name := range w.podNames() {
		var f fate
		if w.rnd.IntN(3) == 0 {
			f.push = w.rnd.IntN(5)
		}
		f.deaf = w.faulty && w.rnd.IntN(25) == 0
		f.loadOff = w.rnd.IntN(40) == 0 && (!w.steady || w.rnd.IntN(20) == 0) // a signal that is missing ends the autoscaler's windows
		f.slow = w.faulty && w.rnd.IntN(25) == 0
		w.round.fates[name] = f
	}
}

func (w *world) podNames() []string { return slices.Sorted(maps.Keys(w.pods)) }

// running are the pods that run a program of a kind.
func (w *world) running(router bool) (list []*pod) {
	for _, name := range w.podNames() {
		if x := w.pods[name]; x.router == router && x.prog != nil {
			list = append(list, x)
		}
	}
	return list
}

// violation ends a run.
type violation struct{ text string }

// violate reports that an invariant does not hold; kind is its number in docs/architecture.md.
func (w *world) violate(kind, format string, args ...any) {
	text := fmt.Sprintf("invariant %s is broken at step %d of seed %d: %s\n\nlast events:\n", kind, w.step, w.seed, fmt.Sprintf(format, args...))
	for _, line := range w.trace {
		text += "  " + line + "\n"
	}
	text += w.describe()
	panic(violation{text + fmt.Sprintf("\nagain: go test ./test/simulation -run TestSimulation -seed %d -steps %d", w.seed, w.events)})
}

func (w *world) note(format string, args ...any) {
	const kept = 40
	if len(w.trace) == kept {
		w.trace = w.trace[1:]
	}
	w.trace = append(w.trace, fmt.Sprintf("%5d %8.2f s  ", w.step, w.now.Sub(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)).Seconds())+fmt.Sprintf(format, args...))
}

// describe shows the world.
func (w *world) describe() string {
	text := fmt.Sprintf("\n%+v\nrecord: %s\n", w.scenario, shape(w.record()))
	for _, name := range w.podNames() {
		x := w.pods[name]
		text += fmt.Sprintf("%s: frozen %v, lost %v, cut from operator %v, from routers %v", name, x.frozen, x.lost, x.cutOperator, x.cutRouters)
		switch p := x.prog; {
		case p == nil:
			text += ", no program"
		case p.router != nil:
			text += fmt.Sprintf(", document %s, uses epoch %d, %d experts covered, %d calls", shape(p.doc), p.router.epoch(), p.router.covered, len(p.router.calls))
		default:
			text += fmt.Sprintf(", document %s, holds %v, ready epoch %d", shape(p.doc), p.held, p.readyEpoch())
		}
		text += "\n"
	}
	o := live[*v1alpha1.ExpertPool](w.api, poolName)
	text += fmt.Sprintf("spec: %d nodes, %d copies, slots %v, scaling %+v\n", *o.Spec.Replicas, *o.Spec.Experts.ReplicasPerExpert, o.Spec.Experts.SlotsPerNode, o.Spec.Scaling)
	for _, c := range o.Status.Conditions {
		text += fmt.Sprintf("condition %s %s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	return text
}

// shape writes a document in a line.
func shape(d *placement.Document) string {
	if d == nil {
		return "none"
	}
	text := fmt.Sprintf("%d {", d.Revision)
	for i, p := range []*placement.Placement{d.Serving, d.Target} {
		if p == nil {
			continue
		}
		text += fmt.Sprintf(" %s %d:", []string{"serving", "target"}[i], p.Epoch)
		for _, n := range p.Nodes {
			text += " " + n.Name[len(podspec.ExpertsName(poolName)):] + "=" + placement.FormatExperts(n.Experts)
		}
	}
	return text + " }"
}
