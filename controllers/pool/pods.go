package pool

import (
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// pods is what was observed of the pool's pods in this round: what the API server has
// of them, and what they say themselves.
type pods struct {
	experts []corev1.Pod // by ordinal
	routers []corev1.Pod // by name
	answers map[string]fleet.Answer
	waited  []string // nodes that routers wait for, and that say nothing
}

// all are the expert nodes, then the routers.
func (p pods) all() iter.Seq[*corev1.Pod] {
	return func(yield func(*corev1.Pod) bool) {
		for _, list := range [][]corev1.Pod{p.experts, p.routers} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// reachable are the pods of both kinds that can be asked.
func (p pods) reachable() []fleet.Pod { return append(reachable(p.experts), reachable(p.routers)...) }

// reachable are the pods that can be asked: with an address and a running container.
func reachable(pods []corev1.Pod) (out []fleet.Pod) {
	for i := range pods {
		if p := &pods[i]; p.Status.PodIP != "" && diagnose.Running(p) {
			out = append(out, fleet.Pod{Name: p.Name, Address: podspec.ControlAddress(p)})
		}
	}
	return out
}

// heard are the expert nodes that can be asked, but for those that have just let a question
// pass or refused it, and what is said of these: a look would wait for them once more.
func (p pods) heard() (asked []fleet.Pod, silent []load.Fault) {
	for _, pod := range reachable(p.experts) {
		a := p.answers[pod.Name]
		if a.Hung {
			a.Err = pod.Late()
		}
		if a.Err == nil {
			asked = append(asked, pod)
		} else {
			silent = append(silent, load.Fault{Node: pod.Name, Error: a.Err.Error()})
		}
	}
	return asked, silent
}

// expert finds a pod by name; nil if it is not there.
func (p pods) expert(name string) *corev1.Pod {
	for i := range p.experts {
		if p.experts[i].Name == name {
			return &p.experts[i]
		}
	}
	return nil
}

// report is what a pod says of itself; nil if it has not answered.
func (p pods) report(name string) *fleet.Report { return p.answers[name].Report }

// ready counts the expert nodes that are.
func (p pods) ready() (n int) {
	for i := range p.experts {
		if diagnose.Ready(&p.experts[i]) {
			n++
		}
	}
	return n
}

// machines are what the expert nodes run on, by pod: Kubernetes nodes, each of which
// is lost with all its pods. A pod that is not scheduled yet is not among them.
func (p pods) machines() map[string]string {
	on := map[string]string{}
	for i := range p.experts {
		if e := &p.experts[i]; e.Spec.NodeName != "" {
			on[e.Name] = e.Spec.NodeName
		}
	}
	return on
}

// saidNothing says whether a pod that was asked has not answered.
func (p pods) saidNothing() bool {
	for _, a := range p.answers {
		if a.Report == nil {
			return true
		}
	}
	return false
}

// missesExperts says whether a router has an expert without an owner that answers.
func (p pods) missesExperts() bool {
	for i := range p.routers {
		if a := p.report(p.routers[i].Name); a != nil && a.ExpertsReady < a.ExpertsWanted {
			return true
		}
	}
	return false
}

// waitedFor says whether a router waits for a node that says nothing.
func (p pods) waitedFor(name string) bool { return slices.Contains(p.waited, name) }

// model is what the first expert node that knows its model says, if it is the document's;
// nil while none does, and the status then keeps what it has.
func (p pods) model(doc *placement.Document) *v1alpha1.ModelInfo {
	for i := range p.experts {
		a := p.report(p.experts[i].Name)
		if a == nil || a.Model == nil || doc != nil && a.Model.Fingerprint != doc.Model {
			continue
		}
		m := a.Model
		return &v1alpha1.ModelInfo{ //nolint:gosec // a model's dimensions
			Fingerprint: m.Fingerprint, Name: m.Name, Layers: int32(m.Layers), Experts: int32(m.Experts),
			ExpertsPerToken: int32(m.ExpertsPerToken), ContextLength: int32(m.ContextLength),
			ExpertBytes: m.ExpertBytes, RouterBytes: m.RouterBytes,
		}
	}
	return nil
}
