package pool

import (
	"context"
	"errors"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// Reconciler reconciles ExpertPools.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache.
	Live  client.Reader
	Fleet fleet.Fleet
	// Events tells people what happened.
	Events events.EventRecorder
	Clock  clock.PassiveClock

	memories memories
	settled  apply.Settled
	events   diagnose.Events
	alarms   alarms
}

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.alarms.fleet, r.alarms.trigger = r.Fleet, make(chan event.GenericEvent)
	if err := mgr.Add(&r.alarms); err != nil {
		return err
	}
	if err := (&endpointsController{client: r.Client, fleet: r.Fleet}).setupWithManager(mgr); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("expertpool").
		For(&v1alpha1.ExpertPool{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&appsv1.StatefulSet{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&corev1.ConfigMap{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(poolOf)).
		WatchesRawSource(source.Channel(r.alarms.trigger, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallelPools}).
		Complete(r)
}

// poolOf maps a pod of either component to its pool.
func poolOf(_ context.Context, o client.Object) []reconcile.Request {
	name := podspec.Instance(o.GetLabels())
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}

// Reconcile brings one pool a step on.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	result, err := r.round(ctx, req)
	if apierrors.IsConflict(err) && r.memories.of(req.NamespacedName).mayBeOutdated() {
		logf.FromContext(ctx).V(1).Info("this round has read what was written since", "error", err.Error())
		return ctrl.Result{RequeueAfter: outdatedPause}, nil
	}
	return result, err
}

// round is one of Reconcile's, which may have read something outdated: then it ends with a
// conflict.
func (r *Reconciler) round(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	pool := &v1alpha1.ExpertPool{}
	if err := r.Client.Get(ctx, req.NamespacedName, pool); err != nil {
		ofPools.Forget(req)
		r.memories.forget(req.NamespacedName)
		r.settled.Forget(req.NamespacedName)
		r.alarms.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if pool.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // the garbage collector takes the children
	}
	v, err := r.observe(ctx, pool)
	if err != nil {
		return ctrl.Result{}, err
	}
	v.decision = rollout.Decide(v.state())
	if v.record.unwritable != nil {
		v.decision.Doc = v.record.doc // nobody is told of what cannot be published
	}
	v.noteMoves()
	v.memory.move.follow(v.decision.Doc, v.now)
	v.balanced = v.balancing().condition()
	err = r.act(ctx, v)
	if errors.Is(err, apply.ErrOwnerGone) {
		return ctrl.Result{}, nil
	}
	if v.refused = apply.Problem(err); v.refused == nil && err != nil {
		return ctrl.Result{}, err
	}
	r.lookAtEvents(ctx, v)
	v.measure(req)
	verdict := v.readiness().verdict()
	if err := r.writeStatus(ctx, v, verdict); err != nil {
		return ctrl.Result{}, err
	}
	v.memory.outdated = 0
	turn := v.turn()
	return ctrl.Result{RequeueAfter: v.interval(verdict), Priority: &turn}, nil
}

// applier writes a pool's children, or its number of nodes.
func (r *Reconciler) applier(pool *v1alpha1.ExpertPool, manager string) *apply.Applier {
	return &apply.Applier{Client: r.Client, Live: r.Live, Owner: pool, Manager: manager, Settled: &r.settled}
}

// act writes what the decision needs. The order matters: the document is published
// before the StatefulSet shrinks, so pods go only after nothing uses them; and it needs
// none of the children, so that one which is refused keeps no expert without an owner
// (invariant 2).
func (r *Reconciler) act(ctx context.Context, v *view) error {
	a := r.applier(v.pool, apply.Manager)
	if err := r.place(ctx, a, v); err != nil {
		return err
	}
	if v.set.taken != nil {
		return v.set.taken
	}
	family := v.wanted.family(a)
	for _, c := range plainChildren(family) {
		if _, err := a.Apply(ctx, c.Live, c.Desired); err != nil {
			return err
		}
	}
	var err error
	if v.set.wrote, err = a.ApplyTo(ctx, &v.set.live, statefulSet(family, v.decision.Nodes, v.wanted.template())); err != nil {
		return err
	}
	if err := r.unstick(ctx, v); err != nil {
		return err
	}
	return r.scale(ctx, v)
}

// place brings the decided document to the cluster's record, then to the pods.
func (r *Reconciler) place(ctx context.Context, a *apply.Applier, v *view) error {
	if v.record.unwritable != nil {
		return v.record.unwritable
	}
	if err := r.copyAhead(ctx, v); err != nil {
		return err
	}
	if err := r.publish(ctx, a, v); err != nil {
		return err
	}
	r.push(ctx, v)
	return nil
}
