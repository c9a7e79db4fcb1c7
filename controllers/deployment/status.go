package deployment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/conditions"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// view is what one round sees.
type view struct {
	deployment *v1alpha1.OLMoEDeployment
	pool       v1alpha1.ExpertPool // as before this round's write
	routers    appsv1.Deployment   // as before this round's write
	pods       []corev1.Pod        // of routers, by name
	image      string
	wrote      bool              // a child has changed in this round
	refused    *diagnose.Problem // what kept the children from being made
	problem    *diagnose.Problem
	words      string // why a router is not ready, in its own words, to be added to a message
}

// observe looks at the router pods; what concerns expert nodes is in the pool.
func (r *Reconciler) observe(ctx context.Context, v *view) error {
	var list corev1.PodList
	err := r.Client.List(ctx, &list, client.InNamespace(v.deployment.Namespace),
		client.MatchingLabels(podspec.Selector(v.deployment.Name, podspec.Router)))
	if err != nil {
		return err
	}
	v.pods = list.Items
	slices.SortFunc(v.pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	r.events.Look(ctx, r.Live, v.pods, r.Clock.Now())
	v.problem = r.diagnose(ctx, v)
	v.words = r.askRouters(ctx, v)
	return nil
}

// diagnose finds what somebody has to mend: of the newest template's pods, for the
// others are replaced. If nobody tells which that is, of all.
func (r *Reconciler) diagnose(ctx context.Context, v *view) *diagnose.Problem {
	newest := ""
	var worst *diagnose.Problem
	for i := range v.pods {
		p := r.events.Problem(&v.pods[i], r.Clock.Now())
		if p == nil {
			continue
		}
		if newest == "" {
			newest = r.newestTemplate(ctx, v)
		}
		if template := v.pods[i].Labels[appsv1.DefaultDeploymentUniqueLabelKey]; newest == "" || template == newest {
			worst = diagnose.Worse(worst, p)
		}
	}
	for _, c := range v.routers.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return diagnose.Worse(worst, &diagnose.Problem{Reason: v1alpha1.ReasonPodsRefused, Message: fmt.Sprintf(
				"the cluster refuses router pods: %s: change the quota or the policy of the namespace, or the spec", c.Message)})
		}
	}
	return worst
}

// writeStatus writes the status if it differs; this controller is its only writer.
func (r *Reconciler) writeStatus(ctx context.Context, v *view, verdict conditions.Verdict) error {
	next := v.deployment.DeepCopy()
	v.fill(&next.Status)
	conditions.Set(&next.Status.Conditions, v.deployment.Generation, r.Clock.Now(), verdict)
	if equality.Semantic.DeepEqual(v.deployment.Status, next.Status) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, next, client.MergeFrom(v.deployment)); err != nil {
		return client.IgnoreNotFound(err)
	}
	conditions.Tell(r.Events, v.deployment, v.deployment.Status.Conditions, verdict)
	return nil
}

func (v *view) fill(s *v1alpha1.OLMoEDeploymentStatus) {
	pool := &v.pool.Status
	s.ObservedGeneration = v.deployment.Generation
	if v.image != "" { // else the pool's name is taken, and what pods ran before decides later
		s.Image = v.image
	}
	s.Endpoint = v.endpoint()
	if pool.Model != nil {
		s.Model = pool.Model
	}
	s.Summary = v1alpha1.Summary{
		Routers:      fmt.Sprintf("%d/%d", v.ready(), v.wantedRouters()),
		ExpertNodes:  pool.Summary.ExpertNodes,
		Experts:      pool.Summary.Experts,
		Balancedness: pool.Summary.Balancedness,
	}
}

// wantedRouters is the spec's number, or the Deployment's own where the spec leaves it to others.
func (v *view) wantedRouters() int32 {
	switch {
	case v.deployment.Spec.Routers.Replicas != nil:
		return *v.deployment.Spec.Routers.Replicas
	case v.routers.Spec.Replicas != nil:
		return *v.routers.Spec.Replicas
	}
	return 1 // which the API server gives a new Deployment
}

func (v *view) ready() (n int) {
	for i := range v.pods {
		if diagnose.Ready(&v.pods[i]) {
			n++
		}
	}
	return n
}

// verdict is what the conditions say.
func (v *view) verdict() conditions.Verdict {
	out := v.judge()
	out.Available = v.covered() && v.ready() > 0
	return out
}

// covered says whether every expert has a ready owner.
func (v *view) covered() bool {
	return conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionAvailable).Status == metav1.ConditionTrue
}

// judge says the first that applies, the worst first.
func (v *view) judge() conditions.Verdict {
	ready := conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionReady)
	stalled := conditions.Of(v.pool.Status.Conditions, v1alpha1.ConditionStalled)
	switch {
	case v.refused != nil:
		return v.refused.Verdict()
	case v.wrote || v.pool.Status.ObservedGeneration != v.pool.Generation:
		return conditions.Waiting(v1alpha1.ReasonProgressing, "waiting for the expert pool and the routers to follow the spec")
	case !v.followed():
		return conditions.Waiting(v1alpha1.ReasonProgressing, "%s", v.missingRouters())
	case stalled.Status == metav1.ConditionTrue:
		return conditions.Stalled(stalled.Reason, stalled.Message)
	case v.problem != nil:
		return v.problem.Verdict()
	case ready.Status != metav1.ConditionTrue:
		return conditions.Waiting(ready.Reason, "expert pool: %s%s", ready.Message, v.words)
	case v.missingRouters() != "":
		return conditions.Waiting(v1alpha1.ReasonRoutersNotReady, "%s%s", v.missingRouters(), v.words)
	}
	return conditions.Ready("serving at " + v.endpoint())
}

// followed says whether the router Deployment's controller has looked at the newest one.
func (v *view) followed() bool {
	return v.routers.UID != "" && v.routers.Status.ObservedGeneration == v.routers.Generation
}

// missingRouters says what the router Deployment still has to bring about; empty
// if nothing.
func (v *view) missingRouters() string {
	s, want := &v.routers.Status, v.wantedRouters()
	switch {
	case !v.followed():
		return "waiting for the Deployment " + v.routers.Name + " to be looked at by its controller"
	case want == 0:
		return "the Deployment " + v.routers.Name + " is scaled to 0 routers: nobody is answered until it is scaled up"
	case s.UpdatedReplicas < want && v.routers.Spec.Paused:
		return fmt.Sprintf("%d of %d routers run the newest spec: somebody has paused the Deployment: kubectl rollout resume deployment/%s -n %s",
			s.UpdatedReplicas, want, v.routers.Name, v.deployment.Namespace)
	case s.UpdatedReplicas < want:
		return fmt.Sprintf("%d of %d routers run the newest spec", s.UpdatedReplicas, want)
	case v.ready() < int(want):
		return fmt.Sprintf("%d of %d routers are ready", v.ready(), want)
	case s.Replicas > want:
		return fmt.Sprintf("%d routers that are not wanted any more are leaving", s.Replicas-want)
	}
	return ""
}
