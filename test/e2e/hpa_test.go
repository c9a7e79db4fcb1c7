//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// TestHPA lets Kubernetes' own HorizontalPodAutoscaler scale an ExpertPool, and routers, with the
// manifests of docs/scaling.md as they stand there and the metrics that they name: up by one under
// load, and back. KEDA makes an HPA with an external metric from its ScaledObject: that part is
// not run; test/monitoring evaluates its query.
func TestHPA(t *testing.T) {
	deploy(t, func(d *v1alpha1.OLMoEDeployment) { d.Spec.ExpertNodes = nil })
	waitReady(t, "2/2")
	if err := bothOwners(t); err == nil {
		t.Error("expertNodes and scaling were taken together")
	}
	serveMetrics(t)
	hpa := createHPA(t, "kind: HorizontalPodAutoscaler")
	api := findEndpoint(t)
	clients := learn(t, api, 0, loadClients)
	l := startLoad(t, api, clients)
	busy := measured(t, hpa)
	retarget(t, hpa, func(s *autoscalingv2.HorizontalPodAutoscalerSpec) {
		s.MaxReplicas = 3 // of this machine
		aim(s, busy/2)    // the sample's nodes are not as busy as those that the page is about
	})
	begun := time.Now()
	waitReady(t, "3/3")
	t.Logf("the busiest node was busy for %.0f %% of its time: a third one served after %s", 100*busy, time.Since(begun).Round(time.Second))
	retarget(t, hpa, func(s *autoscalingv2.HorizontalPodAutoscalerSpec) {
		aim(s, 20*busy)
		s.Behavior.ScaleDown.StabilizationWindowSeconds = new(int32) // not ten minutes
	})
	begun = time.Now()
	waitReady(t, "2/2")
	t.Logf("and left after %s", time.Since(begun).Round(time.Second))
	if err := kube.Delete(t.Context(), hpa); err != nil {
		t.Fatal(err)
	}
	scaleRouters(t)
	l.stop(t)
	if err := kube.Delete(t.Context(), getDeployment(t, name)); err != nil {
		t.Fatal(err)
	}
}

// scaleRouters lets the HPA of the page that goes by the routers' own metric scale them, under load:
// to its minimum, down to one, and up by the metric.
func scaleRouters(t *testing.T) {
	t.Helper()
	hpa := createHPA(t, "metric: {name: router_sequences}")
	waitRouters(t, *hpa.Spec.MinReplicas)
	each := measured(t, hpa)
	retarget(t, hpa, func(s *autoscalingv2.HorizontalPodAutoscalerSpec) {
		one := int32(1)
		s.MinReplicas, s.MaxReplicas = &one, 2 // of this machine
		aim(s, 1000*each)
		s.Behavior.ScaleDown.StabilizationWindowSeconds = new(int32) // not five minutes
	})
	begun := time.Now()
	waitRouters(t, 1)
	t.Logf("%.1f sequences each on two routers: one left after %s", each, time.Since(begun).Round(time.Second))
	retarget(t, hpa, func(s *autoscalingv2.HorizontalPodAutoscalerSpec) { aim(s, each/4) })
	begun = time.Now()
	waitRouters(t, 2)
	t.Logf("and a second one served after %s", time.Since(begun).Round(time.Second))
	if err := kube.Delete(t.Context(), hpa); err != nil {
		t.Fatal(err)
	}
}

// createHPA applies the HPA of the page that holds some text.
func createHPA(t *testing.T, holds string) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	hpa := &autoscalingv2.HorizontalPodAutoscaler{}
	documented(t, holds, hpa)
	hpa.Namespace = namespace
	if err := kube.Create(t.Context(), hpa); err != nil {
		t.Fatal(err)
	}
	return hpa
}

// waitRouters waits until everything is Ready with so many routers.
func waitRouters(t *testing.T, n int32) {
	t.Helper()
	eventually(t, 90*time.Second, func() error {
		if got, want := getDeployment(t, name).Status.Summary.Routers, fmt.Sprintf("%d/%d", n, n); got != want {
			return fmt.Errorf("routers %s, want %s", got, want)
		}
		return ready(t.Context(), "2/2")
	})
}

// bothOwners asks for what the API must refuse: a number, and somebody who chooses it.
func bothOwners(t *testing.T) error {
	t.Helper()
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"expertNodes":2,"scaling":{"min":2,"max":3}}}`))
	return kube.Patch(t.Context(), getDeployment(t, name), patch)
}

// measured waits until the HPA has seen a figure of load, and returns it: of the busiest node, or of
// the routers on average.
func measured(t *testing.T, hpa *autoscalingv2.HorizontalPodAutoscaler) (busy float64) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(hpa), hpa); err != nil {
			return err
		}
		for _, m := range hpa.Status.CurrentMetrics {
			switch {
			case m.Object != nil && m.Object.Current.Value != nil:
				busy = m.Object.Current.Value.AsApproximateFloat64()
			case m.Pods != nil && m.Pods.Current.AverageValue != nil:
				busy = m.Pods.Current.AverageValue.AsApproximateFloat64()
			}
		}
		if busy < 0.05 {
			return fmt.Errorf("the HPA has seen %.3f: %+v", busy, hpa.Status.Conditions)
		}
		return nil
	})
	return busy
}

// retarget changes the HPA's spec.
func retarget(t *testing.T, hpa *autoscalingv2.HorizontalPodAutoscaler, change func(*autoscalingv2.HorizontalPodAutoscalerSpec)) {
	t.Helper()
	was := hpa.DeepCopy()
	change(&hpa.Spec)
	if err := kube.Patch(t.Context(), hpa, client.MergeFrom(was)); err != nil {
		t.Fatal(err)
	}
}

func aim(s *autoscalingv2.HorizontalPodAutoscalerSpec, at float64) {
	to := resource.NewMilliQuantity(int64(1000*at), resource.DecimalSI)
	if m := &s.Metrics[0]; m.Object != nil {
		m.Object.Target.Value = to
	} else {
		m.Pods.Target.AverageValue = to
	}
}

// documented reads the manifest on docs/scaling.md that holds some text.
func documented(t *testing.T, holds string, into any) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/scaling.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.New("is not there")
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		if block, _, _ := strings.Cut(part, "```"); strings.Contains(block, holds) {
			err = yaml.UnmarshalStrict([]byte(block), into)
			break
		}
	}
	if err != nil {
		t.Fatalf("docs/scaling.md: the manifest with %q: %v", holds, err)
	}
}
