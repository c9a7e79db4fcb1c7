// Package controllers puts the operator together.
package controllers

import (
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/deployment"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/controllers/pool"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// Scheme holds the kinds that the operator reads and writes.
var Scheme = runtime.NewScheme()

func init() {
	utilruntime.Must(clientgoscheme.AddToScheme(Scheme))
	utilruntime.Must(v1alpha1.AddToScheme(Scheme))
}

// Cache limits what the operator watches: the namespaces (all if there are none),
// and of the core kinds only what it has made itself.
func Cache(namespaces []string) cache.Options {
	own := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{podspec.ManagedByLabel: podspec.ManagedBy})}
	pods := own
	pods.Transform = cache.TransformStripManagedFields() // the most objects by far, and they are not applied
	o := cache.Options{ByObject: map[client.Object]cache.ByObject{
		&corev1.Pod{}: pods, &corev1.ConfigMap{}: own, &corev1.Service{}: own, &corev1.ServiceAccount{}: own,
		&appsv1.Deployment{}: own, &appsv1.StatefulSet{}: own, &policyv1.PodDisruptionBudget{}: own,
	}}
	for _, ns := range namespaces {
		if o.DefaultNamespaces == nil {
			o.DefaultNamespaces = map[string]cache.Config{}
		}
		o.DefaultNamespaces[ns] = cache.Config{}
	}
	return o
}

// kinds are what the controllers watch.
func kinds() []client.Object {
	return slices.AppendSeq([]client.Object{&v1alpha1.OLMoEDeployment{}, &v1alpha1.ExpertPool{}}, maps.Keys(Cache(nil).ByObject))
}

// Options of the controllers.
type Options struct {
	// Image of pods whose OLMoEDeployment names none.
	Image string
	Fleet fleet.Fleet
	Clock clock.PassiveClock
}

// Setup registers both controllers.
func Setup(mgr ctrl.Manager, o Options) error {
	recorder := conditions.Notes(mgr.GetEventRecorder("olmoe-operator"))
	p := &pool.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Fleet: o.Fleet, Events: recorder, Clock: o.Clock}
	if err := p.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("ExpertPool controller: %w", err)
	}
	d := &deployment.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Fleet: o.Fleet, Events: recorder, Clock: o.Clock, Image: o.Image}
	if err := d.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("OLMoEDeployment controller: %w", err)
	}
	return nil
}
