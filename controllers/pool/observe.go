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

// observe sees all that the round is decided by.
func (r *Reconciler) observe(ctx context.Context, pool *v1alpha1.ExpertPool) (*view, error) {
	v := &view{pool: pool, wanted: wantedBy(pool), now: r.Clock.Now(), memory: r.memories.of(client.ObjectKeyFromObject(pool))}
	if err := r.readObjects(ctx, v); err != nil {
		return nil, err
	}
	v.kept = kept{lastMoved(parseMoved(v.record.live.Annotations[movedAnnotation]), pool.Status.Rebalancing, v.now), pool.Status.Scaling}
	v.kept.heedClock(v.now)
	if err := r.listPods(ctx, v); err != nil {
		return nil, err
	}
	r.ask(ctx, v)
	v.losses().note(named(v.record.doc))
	m := v.memory
	m.refused = refusedSince(m.refused, v.pods.refusals(v.record.doc), v.now)
	m.located.note(v.pods.machines(), v.now)
	m.looks.expectJudgement(current(v.record.doc), v.wanted.measures(), v.now)
	if len(v.pods.waited) == 0 { // else there is no time for it, and pods had little for an answer
		m.unheard = m.unheard.noted(v.pods, pool.Status.Conditions, v.now, logf.FromContext(ctx))
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
	r.alarms.watch(pool, routers)
	asking, done := r.alarms.withAlarm(ctx, pool)
	defer done()
	v.pods.answers = fleet.DescribeAll(asking, r.Fleet, v.pods.reachable())
	v.stalls, v.pods.waited = r.alarms.stalls(pool), r.alarms.waited(pool)
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
	if err := a.Read(ctx, &v.set.live); apply.Problem(err) != nil {
		v.set.taken = err
	} else if err != nil {
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

// diagnose finds what somebody has to mend, by what is known of events.
func (r *Reconciler) diagnose(v *view) {
	v.troubles.problems = map[string]*diagnose.Problem{}
	for i := range v.pods.experts {
		if p := r.events.Problem(&v.pods.experts[i], v.now); p != nil {
			v.troubles.problems[v.pods.experts[i].Name] = p
		}
	}
}

// lookAtEvents finds what only events tell, for the status and the next round. It comes
// after everything else that a round does: the API server may take its time.
func (r *Reconciler) lookAtEvents(ctx context.Context, v *view) {
	if len(v.pods.waited) > 0 {
		return
	}
	experts, set := v.pods.experts, &v.set.live
	r.events.Look(ctx, r.Live, experts, v.now)
	r.diagnose(v)
	if set.UID == "" || len(experts) >= int(*set.Spec.Replicas) {
		return
	}
	var newest time.Time
	for i := range experts {
		if at := experts[i].CreationTimestamp.Time; at.After(newest) {
			newest = at
		}
	}
	v.troubles.refusal = r.events.Refused(ctx, r.Live, set, newest, v.now)
}
