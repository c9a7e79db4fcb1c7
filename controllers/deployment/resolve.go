package deployment

import (
	"cmp"
	"fmt"
	"strings"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/modelsource"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// defaultNodes is the size of a new pool whose spec names none.
const defaultNodes = 2

// resolveImage is what the pods run: the spec's image; or the one that the pods
// run already, so that a new operator restarts nothing (invariant 7,
// docs/adr/0072); or, for a new deployment, the operator's own. What somebody else
// wrote into the pool is drift, unless nothing else is known, as after a restore.
func resolveImage(d *v1alpha1.OLMoEDeployment, pool *v1alpha1.ExpertPool, own string) string {
	kept := ""
	if apply.Owns(pool, apply.Manager, "spec", "image") {
		kept = pool.Spec.Image
	}
	return cmp.Or(d.Spec.Image, kept, d.Status.Image, pool.Spec.Image, own)
}

// firstNodes is the number of expert nodes of a new pool.
func (v *view) firstNodes() int32 {
	if n := v.deployment.Spec.ExpertNodes; n != nil {
		return *n
	}
	n := max(defaultNodes, *v.deployment.Spec.Experts.ReplicasPerExpert)
	if s := v.deployment.Spec.Scaling; s != nil {
		return max(s.Min, min(s.Max, n))
	}
	return n
}

// nodes is the number of expert nodes to apply to a pool that is there; nil
// leaves it to whoever scales the pool, unless the spec wants more replicas of an
// expert than there are nodes, which the API server would refuse.
func (v *view) nodes() *int32 {
	if v.pool.UID == "" {
		return nil
	}
	if n := v.deployment.Spec.ExpertNodes; n != nil {
		return n
	}
	n := max(*v.pool.Spec.Replicas, *v.deployment.Spec.Experts.ReplicasPerExpert)
	madeWith := apply.Owns(&v.pool, apply.Manager, "spec", "replicas") // from the making of the pool: hand it over
	if madeWith || n > *v.pool.Spec.Replicas {
		return &n
	}
	return nil
}

// imageSettings are the spec's, with the image resolved.
func (v *view) imageSettings() v1alpha1.ImageSettings {
	s := v.deployment.Spec.ImageSettings
	s.Image = v.image
	return s
}

// endpoint is the URL of the routers' Service inside the cluster.
func (v *view) endpoint() string {
	host := fmt.Sprintf("http://%s.%s.svc", podspec.RouterName(v.deployment.Name), v.deployment.Namespace)
	if port := v.deployment.Spec.Service.Port; port != 80 {
		host += fmt.Sprintf(":%d", port)
	}
	return host
}

// routerArgs are the router's own flags: what the spec leaves out, the program
// decides.
func (v *view) routerArgs() []string {
	s := &v.deployment.Spec.Routers
	name := s.ServedModelName
	if name == "" {
		name = modelsource.Parse(string(v.deployment.Spec.Model.Source)).Name()
	}
	name = strings.ReplaceAll(name, "$", "$$") // the kubelet takes $(NAME) in arguments for a variable
	args := []string{"router", podspec.Listen("listen", podspec.PortHTTP), podspec.Listen("control", podspec.PortControl), "--served-model-name=" + name, "--drain-delay=" + podspec.DrainDelay}
	for _, f := range []struct {
		format string
		value  *int32
	}{
		{"--max-sequences=%d", s.MaxSequences}, {"--max-queue=%d", s.MaxQueue}, {"--max-queue-wait=%ds", s.MaxQueueWaitSeconds},
		{"--max-step-tokens=%d", s.MaxStepTokens}, {"--kv-cache-mb=%d", s.KVCacheMB},
	} {
		if f.value != nil {
			args = append(args, fmt.Sprintf(f.format, *f.value))
		}
	}
	if s.KVCacheType != "" {
		args = append(args, "--kv-cache-type="+string(s.KVCacheType))
	}
	if s.PrefixCache != nil {
		args = append(args, fmt.Sprintf("--prefix-cache=%t", *s.PrefixCache))
	}
	return args
}

// routerEnv gives routers the API's key by reference: the operator never reads it.
func (v *view) routerEnv() []*corev1ac.EnvVarApplyConfiguration {
	s := v.deployment.Spec.Routers.APIKeySecret
	if s == nil {
		return nil
	}
	return []*corev1ac.EnvVarApplyConfiguration{corev1ac.EnvVar().WithName("OLMOE_API_KEY").WithValueFrom(
		corev1ac.EnvVarSource().WithSecretKeyRef(corev1ac.SecretKeySelector().WithName(string(s.Name)).WithKey(s.Key)))}
}
