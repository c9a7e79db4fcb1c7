package podspec

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

func plain() Pod {
	return Pod{
		Instance: "demo", Component: ExpertNode, Args: []string{"expert-node"}, ProbePort: PortExpertHTTP, Account: "demo-experts",
		Ports: []*corev1ac.ContainerPortApplyConfiguration{ContainerPort("grpc", PortControl)},
		Model: v1alpha1.Model{Source: "file:///var/lib/olmoe/models/demo/", Weights: v1alpha1.WeightsBF16},
		Image: v1alpha1.ImageSettings{Image: "olmoe:v1", ImagePullPolicy: corev1.PullIfNotPresent},
	}
}

func int8Pod() Pod {
	p := plain()
	p.Model.Weights = v1alpha1.WeightsInt8
	return p
}

func rich() Pod {
	p := plain()
	p.Component, p.Account = Router, "demo-router"
	p.Model.Source = "pvc://models/olmoe/0125/"
	p.Image.ImagePullSecrets = []v1alpha1.ImagePullSecret{{Name: "regcred"}}
	p.Settings = v1alpha1.PodSettings{
		Resources: v1alpha1.Resources{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0.5")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")},
		},
		NodeSelector:      map[string]v1alpha1.LabelValue{"disk": "nvme"},
		Tolerations:       []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}},
		Affinity:          &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{}},
		PriorityClassName: "high",
		PodLabels:         map[string]v1alpha1.LabelValue{"team": "nlp", "app.kubernetes.io/name": "mine"},
		PodAnnotations:    map[string]string{"note": "1"},
	}
	return p
}

// TestGolden: a change of these files restarts every user's pods when they upgrade
// the operator (invariant 7). Run with -update only if the pods have to change.
func TestGolden(t *testing.T) {
	for name, p := range map[string]Pod{"plain": plain(), "rich": rich(), "int8": int8Pod()} {
		got, err := yaml.Marshal(p.Template())
		if err != nil {
			t.Fatal(err)
		}
		goldentest.Recorded(t, filepath.Join("testdata", name+".yaml"), string(got))
	}
}

// TestLockedDown: invariant 6, whatever the user sets.
func TestLockedDown(t *testing.T) {
	for name, p := range map[string]Pod{"plain": plain(), "rich": rich()} {
		s := p.Template().Spec
		c := s.Containers[0].SecurityContext
		checks := map[string]bool{
			"no token":         !*s.AutomountServiceAccountToken,
			"non-root":         *s.SecurityContext.RunAsNonRoot && *s.SecurityContext.RunAsUser == 65532,
			"seccomp":          *s.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
			"read-only root":   *c.ReadOnlyRootFilesystem,
			"no escalation":    !*c.AllowPrivilegeEscalation,
			"no capabilities":  len(c.Capabilities.Drop) == 1 && c.Capabilities.Drop[0] == "ALL" && c.Capabilities.Add == nil,
			"model read-only":  *s.Containers[0].VolumeMounts[0].ReadOnly,
			"one container":    len(s.Containers) == 1,
			"memory requested": !s.Containers[0].Resources.Requests.Memory().IsZero(),
		}
		for what, ok := range checks {
			if !ok {
				t.Errorf("%s: %s does not hold", name, what)
			}
		}
	}
}

// TestQuantitiesAreRounded as the API server does it, or every round would find them changed.
func TestQuantitiesAreRounded(t *testing.T) {
	p := plain()
	odd := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1.2341Gi"), corev1.ResourceCPU: resource.MustParse("0.0001")}
	p.Settings.Resources = v1alpha1.Resources{Requests: odd, Limits: odd}
	r := p.resources()
	for _, list := range []*corev1.ResourceList{r.Requests, r.Limits} {
		if memory, cpu := list.Memory().String(), list.Cpu().String(); memory != "1325104784999m" || cpu != "1m" {
			t.Errorf("memory %s, cpu %s", memory, cpu)
		}
	}
	if q := odd[corev1.ResourceCPU]; q.String() != "100u" {
		t.Errorf("the spec's own quantity became %s", q.String())
	}
}

// TestGrace: the program ends before the kubelet kills it.
func TestGrace(t *testing.T) {
	p, seconds := rich(), int32(1800)
	p.Grace = &seconds
	s := p.Template().Spec
	if *s.TerminationGracePeriodSeconds != 1800 || !slices.Contains(s.Containers[0].Args, "--drain-timeout=1790s") {
		t.Errorf("grace period %d, arguments %q", *s.TerminationGracePeriodSeconds, s.Containers[0].Args)
	}
}

func TestRequestsStayBelowLimits(t *testing.T) {
	p := rich()
	if got := p.resources().Requests.Memory().String(); got != "128Mi" {
		t.Errorf("memory request %s, want the limit, which is below the default", got)
	}
}

// TestNamesFit: with the longest name that the API takes, every name and label
// value made from it does.
func TestNamesFit(t *testing.T) {
	name := strings.Repeat("a", 40)
	for _, s := range []string{ExpertsName(name) + "-255", ExpertsName(name) + "-0123456789", RouterName(name), PlacementName(name)} {
		if len(s) > 63 {
			t.Errorf("%s has %d characters", s, len(s))
		}
	}
}

// TestLabelsAreRead: whose an object is can be read from the labels that it was given.
func TestLabelsAreRead(t *testing.T) {
	l := Labels("demo", Router)
	if !Is(l, Router) || Is(l, ExpertNode) || Is(nil, Router) || Instance(l) != "demo" {
		t.Errorf("%v: router %v, expert node %v, of %q", l, Is(l, Router), Is(l, ExpertNode), Instance(l))
	}
}
