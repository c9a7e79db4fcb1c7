package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

const (
	// restRounds is how many rounds a world may take to come to rest. A pool that
	// scales in step by step takes the most: 5 steps of 5 to 10 minutes.
	restRounds = 700
	// quietRounds without a write, at least a minute, are taken for rest.
	quietRounds = 12
)

// rest ends all faults and changes: everything must become as the spec wants it
// within restRounds, and then 50 more reconciles must write nothing (invariant 7).
func (w *world) rest() {
	w.mend()
	w.serveAlone()
	for w.lateWrite() {
	}
	if w.operator == nil {
		w.newOperator()
	}
	quiet := 0
	n := 0
	for ; quiet < quietRounds; n++ {
		if n == restRounds {
			w.violate("7", "no rest after %d rounds: %s", n, w.unlike())
		}
		before := w.written()
		w.turn()
		if quiet++; w.written() != before || w.unlike() != "" {
			quiet = 0
		}
	}
	w.stats.restRounds += n
	before := w.written()
	for range 50 {
		w.step++
		w.now = w.now.Add(5 * time.Second)
		w.reconcile()
	}
	if extra := w.written() - before; extra > 0 {
		w.violate("7", "%d writes at rest: %v", extra, w.stats.writes)
	}
}

// mend makes everything work again and ends the traffic; the spec is one that can be met.
func (w *world) mend() {
	w.still, w.busy = true, 0
	w.note("the world shall rest")
	w.drain()
	for _, name := range w.podNames() {
		if x := w.pods[name]; x.frozen || x.lost || x.cutOperator || x.cutRouters {
			w.heal(x)
		}
	}
	if s := w.wish.Experts.SlotsPerNode; s != nil && w.wish.Scaling == nil { // else the operator makes room
		*s = max(*s, (experts**w.wish.Experts.ReplicasPerExpert+*w.wish.Replicas-1) / *w.wish.Replicas)
	}
	w.deploys()
}

// serveAlone: when everything works again but the operator, every router serves:
// pods that restarted read their mounted files (invariant 4).
func (w *world) serveAlone() {
	w.note("the operator is away")
	raw := w.documents[w.topDoc]
	m := live[*corev1.ConfigMap](w.api, podspec.PlacementName(poolName))
	if m == nil || strings.Replace(m.Data[podspec.PlacementKey], urgent, "", 1) != raw {
		return // no placement yet, or somebody has damaged what new pods start from
	}
	for range 3 {
		w.others()
	}
	for _, x := range w.running(true) {
		if x.prog.router.covered != layers*experts {
			w.violate("4", "without an operator router %s finds owners of %d experts only", x.name, x.prog.router.covered)
		}
	}
}

// turn lets everybody do what there is to do, once.
func (w *world) turn() {
	w.step++
	w.now = w.now.Add(5*time.Second + time.Duration(w.rnd.IntN(int(5*time.Second))))
	w.reconcile()
	w.deploys()
	w.others()
}

// others is a turn of everybody but operator and user.
func (w *world) others() {
	w.playSet()
	w.playRouters(1)
	for _, name := range w.podNames() {
		for x := w.pods[name]; w.pods[name] == x && w.kubelet(x); {
			w.check()
		}
	}
	for _, x := range w.alive() {
		for len(x.inbox) > 0 {
			x.take(x.inbox[0])
			x.inbox = x.inbox[1:]
		}
		x.mount()
		x.readFile()
		w.check()
	}
	for _, x := range w.nodesUp() {
		for x.prog.load() {
			w.check()
		}
	}
	for _, x := range w.routersUp() {
		for _, name := range x.prog.router.nodes() {
			x.prog.router.hear(name)
			w.check()
		}
	}
	for range 30 {
		w.callsOn()
	}
}

func (w *world) written() (n int) {
	for _, k := range w.stats.writes {
		n += k
	}
	return n
}

// unlike says in what the world is not as the spec wants it; empty if in nothing.
func (w *world) unlike() string {
	o := live[*v1alpha1.ExpertPool](w.api, poolName)
	n := int(*o.Spec.Replicas)
	w.shown = o
	d := w.record()
	set := live[*appsv1.StatefulSet](w.api, podspec.ExpertsName(poolName))
	switch {
	case d == nil || d.Serving == nil || d.Target != nil:
		return "the placement is " + shape(d)
	case len(d.Serving.Nodes) != n || !w.asWanted(d.Serving):
		return fmt.Sprintf("placement %s does not fit %d nodes", shape(d), n)
	case w.apart(d.Serving, &o.Spec) != "":
		return w.apart(d.Serving, &o.Spec)
	case int(*set.Spec.Replicas) != n || len(w.running(false)) != n:
		return fmt.Sprintf("%d pods wanted, %d there, %d asked for", n, len(w.running(false)), *set.Spec.Replicas)
	case o.Spec.Scaling != nil && n != max(int(o.Spec.Scaling.Min), w.roomFor()):
		return fmt.Sprintf("%d nodes without traffic, %+v", n, o.Spec.Scaling)
	case conditions.Of(o.Status.Conditions, v1alpha1.ConditionReady).Status != metav1.ConditionTrue:
		return "Ready is not True: " + conditions.Of(o.Status.Conditions, v1alpha1.ConditionReady).Message
	}
	for _, x := range w.running(false) {
		order, _ := x.prog.wanted()
		held := 0
		for _, h := range x.prog.held {
			if h {
				held++
			}
		}
		if held != len(order) || x.prog.doc.Revision != d.Revision {
			return fmt.Sprintf("node %s has revision %d and holds %d experts of %d", x.name, x.prog.doc.Revision, held, len(order))
		}
	}
	for _, x := range w.running(true) {
		r := x.prog.router
		if r.epoch() != d.Serving.Epoch || r.covered != layers*experts {
			return fmt.Sprintf("router %s uses placement %d with %d experts covered", x.name, r.epoch(), r.covered)
		}
		if len(r.calls) > 0 && slices.ContainsFunc(r.calls, func(c *call) bool { return len(c.pairs) > 0 }) {
			return fmt.Sprintf("router %s has %d calls that do not end", x.name, len(r.calls))
		}
	}
	return ""
}
