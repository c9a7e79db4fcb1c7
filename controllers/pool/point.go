package pool

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// point tells routers where expert nodes are now, each once for each change: a pod
// that was replaced has a new address, which DNS knows seconds later. Only the
// operator's process remembers whom it told; after a restart it tells all again.
func (r *Reconciler) point(ctx context.Context, v *view) {
	if v.taken != nil { // the pods may be somebody else's
		return
	}
	endpoints := map[string]string{}
	for _, p := range reachable(v.experts) {
		if v.expert(p.Name).DeletionTimestamp == nil {
			endpoints[p.Name] = p.Address
		}
	}
	if len(endpoints) == 0 {
		return
	}
	text := fmt.Sprint(endpoints) // in the order of names
	var routers []fleet.Pod
	keys := map[string]string{}
	for _, p := range reachable(v.routers) {
		i := slices.IndexFunc(v.routers, func(q corev1.Pod) bool { return q.Name == p.Name })
		keys[p.Name] = process(&v.routers[i])
		if v.memory.told[keys[p.Name]] != text {
			routers = append(routers, p)
		}
	}
	told := map[string]string{} // without the routers that are gone
	for _, key := range keys {
		if was, ok := v.memory.told[key]; ok {
			told[key] = was
		}
	}
	for _, name := range fleet.PointAll(ctx, r.Fleet, routers, endpoints) {
		told[keys[name]] = text
	}
	v.memory.told = told
}

// process names a pod's running container, apart from the ones before it.
func process(p *corev1.Pod) string {
	restarts := int32(0)
	for _, c := range p.Status.ContainerStatuses {
		restarts += c.RestartCount
	}
	return fmt.Sprintf("%s/%d", p.UID, restarts)
}
