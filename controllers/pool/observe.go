package pool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// view is what one round sees and decides.
type view struct {
	pool     *v1alpha1.ExpertPool
	wanted   wanted
	set      nodeSet
	pods     pods
	record   record
	kept     kept
	now      time.Time
	memory   *memory
	stalls   stalls
	looked   bool // this round has asked for the load
	troubles troubles

	decision rollout.Decision
	opinion  opinion           // of the balancer's work
	refused  *diagnose.Problem // what kept the children from being made
}

func (r *Reconciler) observe(ctx context.Context, pool *v1alpha1.ExpertPool) (*view, error) {
	v := &view{pool: pool, wanted: wantedBy(pool), now: r.Clock.Now(), memory: r.memories.of(client.ObjectKeyFromObject(pool))}
	if err := r.readObjects(ctx, v); err != nil {
		return nil, err
	}
	v.kept = kept{later(parseMoved(v.record.live.Annotations[movedAnnotation]), pool.Status.Rebalancing), pool.Status.Scaling}
	v.kept.heedClock(v.now)
	if err := r.listPods(ctx, v); err != nil {
		return nil, err
	}
	r.ask(ctx, v)
	v.losses().listen(named(v.record.doc))
	m := v.memory
	m.refused = refusedSince(m.refused, v.pods.refusals(v.record.doc), v.now)
	m.located.note(v.pods.machines(), v.now)
	m.looks.expectJudgement(current(v.record.doc), v.wanted.measures(), v.now)
	if len(v.pods.waited) == 0 { // else there is no time for it, and pods had little for an answer
		m.unheard = m.unheard.hear(v.pods, pool.Status.Conditions, v.now, logf.FromContext(ctx))
		r.look(ctx, v)
	}
	r.diagnose(v)
	return v, nil
}

// ask asks all pods what they are, and routers to tell when a node goes silent.
func (r *Reconciler) ask(ctx context.Context, v *view) {
	pool := client.ObjectKeyFromObject(v.pool)
	routers := map[string]fleet.Pod{}
	for i := range v.pods.routers {
		for _, p := range reachable(v.pods.routers[i : i+1]) {
			routers[process(&v.pods.routers[i])] = p
		}
	}
	r.sentry.watch(pool, routers)
	hurried, done := r.sentry.hurried(ctx, pool)
	defer done()
	v.pods.answers = fleet.DescribeAll(hurried, r.Fleet, v.pods.reachable())
	v.stalls, v.pods.waited = r.sentry.stallsAt(pool), r.sentry.waited(pool)
	for _, p := range routers {
		if a := v.pods.report(p.Name); a != nil {
			v.pods.waited = append(v.pods.waited, a.Silent...)
		}
	}
}

// readObjects reads the StatefulSet and the record.
func (r *Reconciler) readObjects(ctx context.Context, v *view) error {
	v.set.live.Name, v.set.live.Namespace = podspec.ExpertsName(v.pool.Name), v.pool.Namespace
	a := r.applier(v.pool, apply.Manager)
	err := a.Read(ctx, &v.set.live)
	if _, v.set.taken = apply.Problem(err); v.set.taken == nil && err != nil {
		return err
	}
	return v.record.read(ctx, a, client.ObjectKeyFromObject(v.pool), fromStatus(v.pool.Status.Placement, v.wanted.address))
}

// listPods lists expert nodes and routers, in a fixed order.
func (r *Reconciler) listPods(ctx context.Context, v *view) error {
	selector, err := metav1.LabelSelectorAsSelector(&v.wanted.spec.RouterSelector)
	if err != nil {
		return fmt.Errorf("spec.routerSelector: %w", err)
	}
	experts := labels.SelectorFromSet(podspec.Selector(v.pool.Name, podspec.ExpertNode))
	if v.pods.experts, err = r.pods(ctx, v.pool.Namespace, experts); err != nil {
		return err
	}
	v.pods.routers, err = r.pods(ctx, v.pool.Namespace, selector)
	slices.SortFunc(v.pods.experts, func(a, b corev1.Pod) int { return rollout.Ordinal(a.Name) - rollout.Ordinal(b.Name) })
	return err
}

func (r *Reconciler) pods(ctx context.Context, namespace string, s labels.Selector) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := r.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: s})
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, err
}

// state is the view as the rollout needs it.
func (v *view) state() rollout.State {
	s := rollout.State{
		Members:      v.wanted.members(v.wanted.nodes()),
		Replicas:     v.wanted.copies(),
		SlotsPerNode: v.wanted.slots(),
		Machines:     v.pods.machines(),
		Doc:          v.record.doc,
		Nodes:        map[string]rollout.Node{},
	}
	losses := v.losses()
	for i := range v.pods.experts {
		p := &v.pods.experts[i]
		n := rollout.Node{Stuck: v.troubles.stuck(p.Name), Lost: losses.lost(p.Name)}
		if a := v.pods.report(p.Name); a != nil && p.DeletionTimestamp == nil {
			n.Model, n.Revision, n.ReadyEpoch = model(a), a.Revision, a.ReadyEpoch
		}
		s.Nodes[p.Name] = n
	}
	for name := range v.memory.silent { // also those without a pod
		if _, ok := s.Nodes[name]; !ok {
			s.Nodes[name] = rollout.Node{Lost: losses.lost(name)}
		}
	}
	for i := range v.pods.routers {
		s.Routers = append(s.Routers, router(&v.pods.routers[i], v.pods))
	}
	if v.memory.located.stand(v.wanted.restoreAfter(), v.now) && v.progress().missing == "" { // all are there
		s.PartMoves = v.budget().left()
	}
	if s.Loads = v.memory.looks.recent(v.wanted.window(), v.now); s.Loads != nil {
		s.Rebalance = v.mayRebalance()
	}
	return s
}

// router: one that is leaving counts as long as it answers, for it may still have
// requests under way; one that is gone silent as it leaves holds nothing up.
func router(p *corev1.Pod, pods pods) rollout.Router {
	a := pods.report(p.Name)
	out := rollout.Router{Name: p.Name, Running: diagnose.Running(p) && (p.DeletionTimestamp == nil || a != nil)}
	if a != nil {
		out.Model, out.Revision, out.ServingEpoch = model(a), a.Revision, a.ServingEpoch
	}
	return out
}

func model(a *fleet.Report) *rollout.Model {
	if a.Model == nil {
		return nil
	}
	return &rollout.Model{Fingerprint: a.Model.Fingerprint, Layers: a.Model.Layers, Experts: a.Model.Experts}
}
