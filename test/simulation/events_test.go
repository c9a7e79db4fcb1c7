package simulation

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// event is something that may happen; it is false if it could not.
type event struct {
	weight int
	faults bool // only in a faulty world
	happen func(w *world) bool
}

var eventList = []event{
	{110, false, (*world).operate},
	{60, false, (*world).mounts},
	{60, false, (*world).reads},
	{60, false, (*world).delivers},
	{160, false, (*world).loads},
	{40, false, (*world).drops},
	{160, false, (*world).hears},
	{400, false, (*world).callsOn},
	{40, false, (*world).playSet},
	{80, false, (*world).kubelets},
	{6, false, (*world).wishes},
	{10, false, (*world).deploys},
	{10, false, (*world).shifts},
	{6, false, (*world).spoils},
	{20, false, (*world).lateWrite},
	{4, false, (*world).leaves},
	{12, true, (*world).fails},
	{14, true, (*world).heals},
}

var totalWeight = func() (sum int) {
	for _, e := range eventList {
		sum += e.weight
	}
	return sum
}()

// happens draws one event that can happen.
func (w *world) happens() {
	w.step++
	w.stats.steps++
	w.advance()
	for {
		n := w.rnd.IntN(totalWeight)
		for i := range eventList {
			e := &eventList[i]
			if n -= e.weight; n >= 0 {
				continue
			}
			if (!e.faults || w.faulty) && e.happen(w) {
				w.check()
				return
			}
			break
		}
	}
}

// advance lets time pass: mostly milliseconds, sometimes minutes.
func (w *world) advance() {
	most := 200 * time.Millisecond
	switch n := w.rnd.IntN(200); {
	case n == 0:
		most = 2 * time.Minute
	case n < 30:
		most = 3 * time.Second
	}
	if w.tides {
		most *= tideSpeed
	}
	w.now = w.now.Add(time.Duration(w.rnd.Int64N(int64(most))))
}

func pick[T any](w *world, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[w.rnd.IntN(len(list))], true
}

func (w *world) operate() bool {
	if w.operator == nil {
		if w.rnd.IntN(8) > 0 {
			return false
		}
		w.newOperator()
		w.note("an operator starts")
	}
	if !w.reconcile() {
		w.note("the operator died at write %d", w.round.writes)
	}
	w.turnTide()
	return true
}

// lateWrite: the API server does what the operator does not wait for any more.
func (w *world) lateWrite() bool {
	if len(w.late) == 0 {
		return false
	}
	w.note("a late write takes effect")
	w.lateNow = true
	w.late[0]()
	w.late, w.lateNow = w.late[1:], false
	return true
}

// leaves: the operator is away for a while.
func (w *world) leaves() bool {
	if w.operator == nil || w.tides {
		return false
	}
	w.operator = nil
	w.note("the operator leaves")
	return true
}

func (w *world) mounts() bool {
	x, ok := pick(w, w.alive())
	return ok && x.mount()
}

// alive are the pods whose machines work.
func (w *world) alive() (list []*pod) {
	for _, name := range w.podNames() {
		if x := w.pods[name]; x.up() {
			list = append(list, x)
		}
	}
	return list
}

func (w *world) reads() bool {
	x, ok := pick(w, w.alive())
	if !ok || x.file == nil {
		return false
	}
	before := x.prog.doc
	x.readFile()
	if x.prog.doc != before {
		w.note("%s reads revision %d", x.name, x.prog.doc.Revision)
	}
	return x.prog.doc != before
}

// delivers brings a pod one of the documents that are late, in any order, and
// some of them twice.
func (w *world) delivers() bool {
	x, ok := pick(w, w.alive())
	if !ok || len(x.inbox) == 0 {
		return false
	}
	i := w.rnd.IntN(len(x.inbox))
	x.take(x.inbox[i])
	if w.rnd.IntN(4) > 0 {
		x.inbox = append(x.inbox[:i], x.inbox[i+1:]...)
	}
	return true
}

func (w *world) nodesUp() (list []*pod) {
	for _, x := range w.running(false) {
		if x.up() {
			list = append(list, x)
		}
	}
	return list
}

func (w *world) routersUp() (list []*pod) {
	for _, x := range w.running(true) {
		if x.up() {
			list = append(list, x)
		}
	}
	return list
}

func (w *world) loads() bool {
	x, ok := pick(w, w.nodesUp())
	return ok && x.prog.load()
}

func (w *world) drops() bool {
	x, ok := pick(w, w.nodesUp())
	return ok && x.prog.drop()
}

// hears: a node's announcement, or the end of a connection, reaches a router.
func (w *world) hears() bool {
	x, ok := pick(w, w.routersUp())
	if !ok {
		return false
	}
	r := x.prog.router
	name, ok := pick(w, r.nodes())
	if !ok || !r.stale(name) {
		return false
	}
	was := r.epoch()
	r.hear(name)
	if r.epoch() != was {
		w.note("%s goes from placement %d to %d", x.name, was, r.epoch())
	}
	return true
}

// callsOn begins a call, or takes one a step on.
func (w *world) callsOn() bool {
	x, ok := pick(w, w.routersUp())
	if !ok || x.prog.router.current == nil {
		return false
	}
	r := x.prog.router
	if len(r.calls) < 2 && !x.prog.draining && !w.still {
		r.begin(w.rnd.IntN(layers), w.rnd.Perm(experts)[:3])
		return true
	}
	c, ok := pick(w, r.calls)
	if !ok {
		return false
	}
	if r.step(c) {
		for i := range r.calls {
			if r.calls[i] == c {
				r.calls = append(r.calls[:i], r.calls[i+1:]...)
				break
			}
		}
		w.stats.calls++
	}
	return true
}

func (w *world) kubelets() bool {
	names := w.podNames()
	if w.playRouters(1) {
		return true
	}
	x, ok := pick(w, names)
	return ok && w.kubelet(w.pods[x])
}

// shifts: where the autoscaler is at work the load stays for minutes, as it waits
// for them.
func (w *world) shifts() bool {
	if w.tides || w.steady && w.wish.Scaling != nil && w.rnd.IntN(4) > 0 {
		return false
	}
	w.shift()
	w.note("the load shifts; busy %.1f", w.busy)
	return true
}

// wishes: the user wants something else.
func (w *world) wishes() bool {
	if w.steady || w.parts {
		return false
	}
	next := w.someSpec()
	w.stats.specs++
	next.Replicas = numberOf(&next, live[*v1alpha1.ExpertPool](w.api, poolName))
	w.wish = next
	w.note("the user wants %d nodes, %d copies, slots %s, scaling %v", *next.Replicas, *next.Experts.ReplicasPerExpert, mustJSON(next.Experts.SlotsPerNode), next.Scaling)
	return w.deploys()
}

// deploys: the OLMoEDeployment's controller puts the pool's spec right.
func (w *world) deploys() bool {
	o := live[*v1alpha1.ExpertPool](w.api, poolName)
	want := *w.wish.DeepCopy()
	want.Replicas = numberOf(&want, o)
	if equality.Semantic.DeepEqual(want, o.Spec) {
		return false
	}
	o.Spec = want
	o.Generation++
	w.api.put(o)
	return true
}

// numberOf is the number of nodes that comes with a wish: the operator's stays, but
// where it is too small for the replicas of an expert.
func numberOf(wish *v1alpha1.ExpertPoolSpec, o *v1alpha1.ExpertPool) *int32 {
	if wish.Scaling == nil {
		return wish.Replicas
	}
	return ptr(max(*o.Spec.Replicas, *wish.Experts.ReplicasPerExpert))
}

// spoils: somebody deletes or damages the placement's record.
func (w *world) spoils() bool {
	name := podspec.PlacementName(poolName)
	m := live[*corev1.ConfigMap](w.api, name)
	if m == nil {
		return false
	}
	w.stats.losses++
	switch w.rnd.IntN(4) {
	case 0:
		w.note("somebody deletes the record")
		w.api.remove("ConfigMap", name)
		return true
	case 1:
		m.Data = nil
	case 2:
		m.Data = map[string]string{podspec.PlacementKey: m.Data[podspec.PlacementKey][:len(m.Data[podspec.PlacementKey])/2]}
	case 3:
		old, ok := w.documents[w.topDoc-1]
		if !ok {
			return false
		}
		m.Data = map[string]string{podspec.PlacementKey: old}
	}
	w.note("somebody damages the record: %.60q", m.Data[podspec.PlacementKey])
	w.api.put(m)
	return true
}
