package pool

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

const (
	// parallelRouters are told at once. One that says nothing takes fleet.Timeout, and is
	// tried again after all others.
	parallelRouters = 16
	// sendAgain after a router could not be told.
	sendAgain = time.Second
)

// endpointsController tells routers where expert nodes are now, each once for each change:
// a pod that was replaced has a new address, which DNS knows seconds later. It is a
// controller of its own, and its objects are routers, because a round of a pool may
// wait a second for a pod that is gone (docs/adr/0128). It remembers whom it told
// what; after a restart of the operator it tells all again.
type endpointsController struct {
	client client.Client
	fleet  fleet.Fleet
	sent   sync.Map // endpointsSent, by the router's types.NamespacedName
}

// endpointsSent are what a router's process has been told.
type endpointsSent struct{ process, endpoints string }

func (c *endpointsController) setupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("expertpool-addresses").
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(c.routersOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallelRouters}).
		Complete(c)
}

// routersOf are the routers that a change of a pod concerns: all of its pool, or the
// router itself, also after its pool: what it was told is forgotten when it is gone.
func (c *endpointsController) routersOf(ctx context.Context, o client.Object) (out []reconcile.Request) {
	itself := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(o)}
	for _, r := range poolOf(ctx, o) {
		pool := &v1alpha1.ExpertPool{}
		if c.client.Get(ctx, r.NamespacedName, pool) != nil {
			if podspec.Is(o.GetLabels(), podspec.Router) {
				out = append(out, itself)
			}
			continue
		}
		routers, err := metav1.LabelSelectorAsSelector(&pool.Spec.RouterSelector)
		if err != nil {
			continue
		}
		if routers.Matches(labels.Set(o.GetLabels())) {
			return append(out, itself)
		}
		var list corev1.PodList
		if c.client.List(ctx, &list, client.InNamespace(r.Namespace), client.MatchingLabelsSelector{Selector: routers}) == nil {
			for i := range list.Items {
				out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
			}
		}
	}
	return out
}

// Reconcile tells one router.
func (c *endpointsController) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	router := &corev1.Pod{}
	if err := c.client.Get(ctx, req.NamespacedName, router); err != nil {
		c.sent.Delete(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	at, err := c.endpoints(ctx, router)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := endpointsSent{process(router), fmt.Sprint(at)} // in the order of names
	if was, _ := c.sent.Load(req.NamespacedName); len(at) == 0 || was == now {
		return ctrl.Result{}, nil
	}
	for _, pod := range reachable([]corev1.Pod{*router}) {
		if c.fleet.SendEndpoints(ctx, pod, at) != nil { // it finds nodes by DNS meanwhile
			turn := behind
			return ctrl.Result{RequeueAfter: sendAgain, Priority: &turn}, nil
		}
		c.sent.Store(req.NamespacedName, now)
	}
	return ctrl.Result{}, nil
}

// endpoints are where the expert nodes of a router's pool are. Those of a StatefulSet
// that is somebody else's are not.
func (c *endpointsController) endpoints(ctx context.Context, router *corev1.Pod) (map[string]string, error) {
	of := client.ObjectKey{Namespace: router.Namespace, Name: podspec.Instance(router.Labels)}
	pool, set := &v1alpha1.ExpertPool{}, &appsv1.StatefulSet{}
	if err := c.client.Get(ctx, of, pool); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: of.Namespace, Name: podspec.ExpertsName(of.Name)}, set); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if !metav1.IsControlledBy(set, pool) {
		return nil, nil
	}
	var list corev1.PodList
	err := c.client.List(ctx, &list, client.InNamespace(of.Namespace), client.MatchingLabels(podspec.Selector(of.Name, podspec.ExpertNode)))
	list.Items = slices.DeleteFunc(list.Items, func(q corev1.Pod) bool { return q.DeletionTimestamp != nil })
	at := map[string]string{}
	for _, pod := range reachable(list.Items) {
		at[pod.Name] = pod.Address
	}
	return at, err
}

// process names a pod's running container, apart from the ones before it.
func process(p *corev1.Pod) string {
	restarts := int32(0)
	for _, c := range p.Status.ContainerStatuses {
		restarts += c.RestartCount
	}
	return fmt.Sprintf("%s/%d", p.UID, restarts)
}
