// Package deployment reconciles OLMoEDeployments: it makes the ExpertPool, the
// routers and what belongs to them, and tells in the status how they are. It
// never writes the user's spec (invariant 5).
package deployment

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// stalledInterval: what is wrong may show in events only, which are not watched.
const stalledInterval = 5 * time.Second

// parallelDeployments are in a round at once. A round waits for the API server: for tenths
// of a second while children are made, and for 2 s where it does not tell events; and for a
// second at most for routers that are not ready.
// So no more than 32 ask at once when an operator starts, and some hundred deployments in
// trouble keep no other waiting.
const parallelDeployments = 32

// Reconciler reconciles OLMoEDeployments.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache.
	Live client.Reader
	// Fleet is the way to routers that are not ready.
	Fleet  fleet.Fleet
	Events events.EventRecorder
	Clock  clock.PassiveClock
	// Image of pods whose spec names none.
	Image string

	// Shared by rounds of different deployments, which run at once.
	settled apply.Settled
	events  diagnose.Events
}

// SetupWithManager registers the reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("olmoedeployment").
		For(&v1alpha1.OLMoEDeployment{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&v1alpha1.ExpertPool{}).
		Owns(&appsv1.Deployment{}).
		Owns(&corev1.Service{}).
		Owns(&corev1.ServiceAccount{}).
		Owns(&policyv1.PodDisruptionBudget{}).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(deploymentOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallelDeployments}).
		Complete(r)
}

// deploymentOf maps a router pod to its deployment; expert nodes are the pool's.
func deploymentOf(_ context.Context, o client.Object) []reconcile.Request {
	l := o.GetLabels()
	name := podspec.Instance(l)
	if name == "" || !podspec.Is(l, podspec.Router) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
}

// Reconcile makes the children what the spec wants and writes the status.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	d := &v1alpha1.OLMoEDeployment{}
	if err := r.Client.Get(ctx, req.NamespacedName, d); err != nil {
		r.settled.Forget(req.NamespacedName)
		ofDeployments.Forget(req)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if d.DeletionTimestamp != nil {
		return ctrl.Result{}, nil // the garbage collector takes the children
	}
	v := &view{deployment: d}
	err := r.act(ctx, v)
	if errors.Is(err, apply.ErrOwnerGone) {
		return ctrl.Result{}, nil
	}
	if v.refused = apply.Problem(err); v.refused == nil && err != nil {
		return ctrl.Result{}, err
	}
	if err := r.observe(ctx, v); err != nil {
		return ctrl.Result{}, err
	}
	verdict := v.verdict()
	measure(req, verdict)
	if err := r.writeStatus(ctx, v, verdict); err != nil {
		return ctrl.Result{}, err
	}
	if verdict.Ready {
		return ctrl.Result{}, nil // watches tell what happens
	}
	return ctrl.Result{RequeueAfter: stalledInterval}, nil
}

// applier writes a deployment's children, or its pool's number of nodes.
func (r *Reconciler) applier(d *v1alpha1.OLMoEDeployment, manager string) *apply.Applier {
	return &apply.Applier{Client: r.Client, Live: r.Live, Owner: d, Manager: manager, Settled: &r.settled}
}

// act applies the children, the pool first: its answer decides the image.
func (r *Reconciler) act(ctx context.Context, v *view) error {
	a := r.applier(v.deployment, apply.Manager)
	if err := r.applyPool(ctx, a, v); err != nil {
		return err
	}
	f := v.family(a)
	for _, c := range v.children(f) {
		wrote, err := a.Apply(ctx, c.Live, c.Desired)
		if err != nil {
			return err
		}
		v.wrote = v.wrote || wrote
	}
	return r.applyRouters(ctx, a, v, f)
}

// applyRouters applies the routers' Deployment, without a number where the spec leaves
// that to others (docs/adr/0148). Leaving out what nobody else owns would put it back to 1
// and drain the others: it is handed over first, and the next round leaves it out.
func (r *Reconciler) applyRouters(ctx context.Context, a *apply.Applier, v *view, f *podspec.Family) error {
	v.routers.Name, v.routers.Namespace = f.Name, f.Namespace
	if err := a.Read(ctx, &v.routers); err != nil {
		return err
	}
	if v.deployment.Spec.Routers.Replicas == nil && apply.OwnsAlone(&v.routers, a.Manager, "spec", "replicas") {
		v.wrote = true
		return a.HandOver(ctx, &v.routers, v.routerNumber(f))
	}
	wrote, err := a.ApplyTo(ctx, &v.routers, v.routerDeployment(f))
	v.wrote = v.wrote || wrote
	return err
}

// applyPool applies the ExpertPool, and its number of nodes by a field manager of
// its own (docs/adr/0070). The API server checks the number against replicasPerExpert:
// a number that is never below what the pool has is applied first. A new pool is made
// with its number, and so is one changed to fewer nodes than it has replicas of an
// expert; the next round hands the number over.
func (r *Reconciler) applyPool(ctx context.Context, a *apply.Applier, v *view) error {
	v.pool.Name, v.pool.Namespace = v.deployment.Name, v.deployment.Namespace
	if err := a.Read(ctx, &v.pool); err != nil {
		return err
	}
	v.image = resolveImage(v.deployment, &v.pool, r.Image)
	desired, n := v.expertPool(a), v.nodes()
	switch {
	case v.pool.UID == "":
		desired.Spec.WithReplicas(v.firstNodes())
	case n != nil && *n < *v.pool.Spec.Experts.ReplicasPerExpert:
		desired.Spec.WithReplicas(*n)
	case n != nil:
		number := r.applier(v.deployment, apply.NodesManager)
		wrote, err := number.ApplyTo(ctx, &v.pool, v.poolNumber(*n))
		if err != nil {
			return err
		}
		v.wrote = v.wrote || wrote
	}
	wrote, err := a.ApplyTo(ctx, &v.pool, desired)
	v.wrote = v.wrote || wrote
	return err
}
