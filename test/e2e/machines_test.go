//go:build e2e

package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// TestMachines: four expert nodes, two owners for each expert, two machines, the second of which comes
// later. The operator parts copies that share a machine, so that the loss of a machine, power and all,
// is the loss of no expert; all under streams whose every token is known.
func TestMachines(t *testing.T) {
	t.Cleanup(func() { machine(t, "start", "node2"); ctl(t, "uncordon", "node1", "node2") })
	ctl(t, "drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	ctl(t, "rollout", "status", "-n", operatorNamespace, "deployment", "--timeout=60s")
	two, four, aWhile := int32(2), int32(4), int32(600)
	deploy(t, func(d *v1alpha1.OLMoEDeployment) {
		d.Spec.ExpertNodes = &four
		d.Spec.Experts.ReplicasPerExpert = &two
		d.Spec.Experts.RestoreAfterSeconds = &aWhile // copies stay where they are until a step says otherwise
		d.Spec.Routers.NodeSelector = map[string]v1alpha1.LabelValue{corev1.LabelHostname: "node1"}
	})
	waitReady(t, "4/4")
	api := findEndpoint(t)
	clients := learn(t, api, 0, loadClients)
	metric := sharingMetric(t)
	l := startStreams(t, api, clients)
	for _, s := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"half of the nodes move to another machine", func(t *testing.T) { testMoveHalf(t, l, metric) }},
		{"copies part", func(t *testing.T) { testPart(t, l, metric) }},
		{"a machine without power", func(t *testing.T) { testPowerFailure(t, l) }},
		{"and with it again", func(t *testing.T) { testPowerBack(t, l, metric) }},
	} {
		if !t.Run(s.name, s.run) {
			t.Fatal(scene(t))
		}
	}
	l.stop(t)
	if err := kube.Delete(t.Context(), getDeployment(t, name)); err != nil {
		t.Fatal(err)
	}
}

// testMoveHalf evicts two of the pods from the machine that runs all four, while the other one is the
// only one that takes pods. Experts stay with their pods, so both owners of some are now on one machine.
func testMoveHalf(t *testing.T, l *load, metric func() (int, error)) {
	ctl(t, "uncordon", "node2")
	ctl(t, "cordon", "node1")
	start := time.Now()
	all := pods(t, "expert-node")
	for _, p := range all[len(all)/2:] {
		eventually(t, 60*time.Second, func() error { // refused while another pod is on its way back
			return kube.SubResource("eviction").Create(t.Context(), &p, &policyv1.Eviction{})
		})
	}
	eventually(t, 60*time.Second, func() error { return errors.Join(standOn(t, "node2", 2), ready(t.Context(), "4/4")) })
	n := sharing(t)
	if n == 0 {
		t.Fatal("no copies share a machine: there is nothing to part")
	}
	eventually(t, 10*time.Second, func() error { return shows(metric, n) })
	bearable(t, fmt.Sprintf("when %d experts have both owners on one machine", n), l.stalls(), start, stallLimit)
}

// standOn says why there are not so many ready expert nodes on a machine.
func standOn(t *testing.T, machine string, want int) error {
	t.Helper()
	n := 0
	for _, p := range pods(t, "expert-node") {
		if p.Spec.NodeName == machine && p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, isReady) {
			n++
		}
	}
	if n != want {
		return fmt.Errorf("%d expert nodes are ready on %s, want %d", n, machine, want)
	}
	return nil
}

func isReady(c corev1.PodCondition) bool {
	return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
}

// testPart: copies part once pods have stood for restoreAfterSeconds, which they have by now.
func testPart(t *testing.T, l *load, metric func() (int, error)) {
	ctl(t, "patch", "olmoe", name, "--type=merge", "-p", `{"spec":{"experts":{"restoreAfterSeconds":1}}}`)
	start := time.Now()
	eventually(t, 60*time.Second, func() error { return errors.Join(whole(t, 4), shows(metric, 0)) })
	bearable(t, "when all experts have owners on both machines", l.stalls(), start, stallLimit)
	t.Logf("after %s", time.Since(start).Round(100*time.Millisecond))
}

// testPowerFailure: the other machine has an owner of every expert. It gets the second ones, too, once
// Kubernetes has given up the lost machine.
func testPowerFailure(t *testing.T, l *load) {
	limit := l.quiet(t).limit()
	lost := time.Now()
	machine(t, "kill", "node2")
	time.Sleep(4 * time.Second)
	bearable(t, "while it is lost", l.stalls(), lost, limit)
	eventually(t, 120*time.Second, func() error { return whole(t, 2) })
	bearable(t, "when the others hold all experts twice", l.stalls(), lost, limit)
	t.Logf("after %s", time.Since(lost).Round(100*time.Millisecond))
}

func testPowerBack(t *testing.T, l *load, metric func() (int, error)) {
	start := time.Now()
	machine(t, "start", "node2")
	eventually(t, 120*time.Second, func() error { return errors.Join(whole(t, 4), shows(metric, 0), ready(t.Context(), "4/4")) })
	t.Logf("all experts have owners on both machines again after %s", time.Since(start).Round(100*time.Millisecond))
	time.Sleep(time.Second)
	bearable(t, "and for a second after it", l.stalls(), start, stallLimit)
}

// whole says why not every expert has two owners on that many nodes in the placement in force, on
// different machines where the nodes are on more than one.
func whole(t *testing.T, nodes int) error {
	t.Helper()
	p := getPool(t).Status.Placement
	if p == nil || p.Serving == nil || p.Target != nil || len(p.Serving.Nodes) != nodes {
		return fmt.Errorf("no placement on %d nodes is in force: %+v", nodes, p)
	}
	for expert, owners := range ownersOf(t, p.Serving) {
		if len(owners) != 2 {
			return fmt.Errorf("expert %d of layer %d has %d owners, want 2: %v", expert[1], expert[0], len(owners), owners)
		}
	}
	if n := sharing(t); n > 0 && nodes == 4 {
		return fmt.Errorf("%d experts have both owners on one machine", n)
	}
	return nil
}

// sharing counts the experts with all their owners on one machine in the placement in force.
func sharing(t *testing.T) (n int) {
	t.Helper()
	on := map[string]string{}
	for _, p := range pods(t, "expert-node") {
		on[p.Name] = p.Spec.NodeName
	}
	for _, owners := range ownersOf(t, getPool(t).Status.Placement.Serving) {
		if !slices.ContainsFunc(owners, func(o string) bool { return on[o] != on[owners[0]] }) {
			n++
		}
	}
	return n
}

// ownersOf maps {layer, expert} to the pods that hold it.
func ownersOf(t *testing.T, p *v1alpha1.PlacementEpoch) map[[2]int][]string {
	t.Helper()
	owners := map[[2]int][]string{}
	for _, node := range p.Nodes {
		layers, err := placement.ParseExperts(node.Experts, int(p.Layers), int(p.Experts))
		if err != nil {
			t.Fatal(err)
		}
		for layer, experts := range layers {
			for _, expert := range experts {
				owners[[2]int{layer, expert}] = append(owners[[2]int{layer, expert}], node.Name)
			}
		}
	}
	if len(owners) != int(p.Layers*p.Experts) {
		t.Fatalf("%d experts have owners, want %d", len(owners), p.Layers*p.Experts)
	}
	return owners
}

// sharingMetric reads what the operator says about it, with the rights that docs/operator.md names.
func sharingMetric(t *testing.T) func() (int, error) {
	t.Helper()
	const binding = "e2e-metrics"
	ctl(t, "create", "clusterrolebinding", binding, "--clusterrole=olmoe-operator-metrics-reader", "--serviceaccount="+namespace+":default")
	t.Cleanup(func() { ctl(t, "delete", "clusterrolebinding", binding) })
	token := strings.TrimSpace(ctl(t, "create", "token", "default"))
	ip := ctl(t, "get", "pods", "-n", operatorNamespace, "-o", "jsonpath={.items[0].status.podIP}")
	web := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the operator signs its certificate itself
	}}
	return func() (int, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+ip+":8443/metrics", nil)
		if err != nil {
			return 0, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := web.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		n, err := valueOf(fmt.Sprintf("olmoe_pool_experts_sharing_machine{namespace=%q,pool=%q}", namespace, name), response)
		return int(n), err
	}
}

// shows says why the metric is not that number.
func shows(metric func() (int, error), want int) error {
	if n, err := metric(); err != nil || n != want {
		return fmt.Errorf("the operator counts %d experts that share a machine, want %d (%v)", n, want, err)
	}
	return nil
}
