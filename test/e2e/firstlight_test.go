//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// TestFirstLight goes through the life of the sample: each step starts from where the last one ended.
func TestFirstLight(t *testing.T) {
	waitReady(t, "2/2")
	api := findEndpoint(t)
	clients := learn(t, api, 0, loadClients)
	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"printer columns", testColumns},
		{"a stream says the same as a whole answer", func(t *testing.T) { testStream(t, api, clients[0]) }},
		{"pods are locked down", testSecurityContext},
		{"expert nodes are on different machines", testSpread},
		{"at rest nothing is written", testQuiet},
		{"kill -9 of an expert node", func(t *testing.T) { testKill(t, api, clients) }},
		{"rolling restart of the routers", func(t *testing.T) { testRestart(t, api, clients, "router", "deployment") }},
		{"rolling restart of the expert nodes", func(t *testing.T) { testRestart(t, api, clients, "expert-node", "statefulset") }},
		{"2, 3, 2 expert nodes", func(t *testing.T) { testScale(t, api, clients) }},
		{"experts move by load", func(t *testing.T) { testRebalance(t, api, clients) }},
		{"the operator scales by load", func(t *testing.T) { testAutoscale(t, api, clients) }},
		{"the operator is away", func(t *testing.T) { testOperatorAway(t, api, clients[0]) }},
		{"a model that is not there", testModelNotFound},
		{"deletion leaves nothing", testDelete},
	}
	for _, s := range steps {
		if !t.Run(s.name, s.run) {
			t.Log(scene(t))
		}
	}
}

func testColumns(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(ctl(t, "get", "olmoe", name)), "\n")
	t.Log("\n" + strings.Join(lines, "\n"))
	if want := "NAME READY ROUTERS EXPERT NODES EXPERTS BALANCEDNESS AGE"; strings.Join(strings.Fields(lines[0]), " ") != want {
		t.Errorf("columns: got %q, want %q", lines[0], want)
	}
	row := regexp.MustCompile(`^demo +True +1/1 +2/2 +(\d+)/(\d+) +(1\.00|0\.\d\d) +\S+$`).FindStringSubmatch(lines[1])
	if row == nil || row[1] != row[2] {
		t.Errorf("row: got %q, want Ready with all experts covered", lines[1])
	}
}

func testStream(t *testing.T, api endpoint, one known) {
	got, pieces, err := api.chatStream(t.Context(), one.question, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.check(got); err != nil {
		t.Error(err)
	}
	if pieces < 2 {
		t.Errorf("the text came in %d piece, so it was not streamed", pieces)
	}
}

// testSecurityContext checks invariant 6 on the pods as the API server stored them.
func testSecurityContext(t *testing.T) {
	all := append(pods(t, "router"), pods(t, "expert-node")...)
	if len(all) != 3 {
		t.Fatalf("got %d pods, want a router and two expert nodes", len(all))
	}
	for _, p := range all {
		if err := lockedDown(p.Spec); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// testSpread: without a word from the user two owners of an expert are not on one machine.
func testSpread(t *testing.T) {
	on := map[string]string{}
	for _, p := range pods(t, "expert-node") {
		if other := on[p.Spec.NodeName]; other != "" {
			t.Errorf("%s and %s are both on %s", other, p.Name, p.Spec.NodeName)
		}
		on[p.Spec.NodeName] = p.Name
	}
}

func lockedDown(spec corev1.PodSpec) error {
	yes := func(b *bool) bool { return b != nil && *b }
	no := func(b *bool) bool { return b != nil && !*b }
	c, pod := spec.Containers[0], spec.SecurityContext
	own := c.SecurityContext
	if own == nil || pod == nil {
		return errors.New("no security context")
	}
	for _, v := range spec.Volumes {
		if v.Projected != nil {
			return fmt.Errorf("volume %s may hold a service-account token", v.Name)
		}
	}
	for what, ok := range map[string]bool{
		"automountServiceAccountToken: false":    no(spec.AutomountServiceAccountToken),
		"runAsNonRoot: true":                     yes(own.RunAsNonRoot) || yes(pod.RunAsNonRoot),
		"readOnlyRootFilesystem: true":           yes(own.ReadOnlyRootFilesystem),
		"allowPrivilegeEscalation: false":        no(own.AllowPrivilegeEscalation),
		"capabilities: drop [ALL]":               own.Capabilities != nil && len(own.Capabilities.Add) == 0 && fmt.Sprint(own.Capabilities.Drop) == "[ALL]",
		"seccompProfile: RuntimeDefault":         seccomp(own.SeccompProfile) || seccomp(pod.SeccompProfile),
		"resource requests for cpu and memory":   len(c.Resources.Requests) >= 2,
		"a readiness probe and a liveness probe": c.ReadinessProbe != nil && c.LivenessProbe != nil,
	} {
		if !ok {
			return fmt.Errorf("lacks %s", what)
		}
	}
	return nil
}

func seccomp(p *corev1.SeccompProfile) bool {
	return p != nil && p.Type == corev1.SeccompProfileTypeRuntimeDefault
}

// testQuiet checks invariant 7: the versions of all objects stay as they are. The load of the requests
// so far is told once, a window later, so the first look may find a write.
func testQuiet(t *testing.T) {
	for attempt := range 2 {
		before, written := versions(t), []string(nil)
		time.Sleep(10 * time.Second)
		for object, version := range versions(t) {
			if before[object] != version {
				written = append(written, fmt.Sprintf("%s: version %q, then %q", object, before[object], version))
			}
		}
		if written == nil {
			return
		}
		if t.Log("written at rest", written); attempt > 0 {
			t.Error("written at rest twice")
		}
	}
}

// versions maps each object of the deployment to its resourceVersion.
func versions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, list := range childLists() {
		if err := kube.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			o := item.(client.Object)
			if isClusters(o) {
				continue
			}
			found[fmt.Sprintf("%T %s", o, o.GetName())] = o.GetResourceVersion()
		}
	}
	return found
}

// childLists are the kinds that a deployment consists of.
func childLists() []client.ObjectList {
	return []client.ObjectList{
		&v1alpha1.OLMoEDeploymentList{}, &v1alpha1.ExpertPoolList{},
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &appsv1.ReplicaSetList{}, &corev1.PodList{},
		&corev1.ServiceList{}, &corev1.ConfigMapList{}, &corev1.ServiceAccountList{}, &policyv1.PodDisruptionBudgetList{},
	}
}

// isClusters: Kubernetes' own objects in every namespace.
func isClusters(o client.Object) bool {
	switch o.(type) {
	case *corev1.Service:
		return o.GetName() == "kubernetes"
	case *corev1.ServiceAccount:
		return o.GetName() == "default"
	case *corev1.ConfigMap:
		return o.GetName() == "kube-root-ca.crt"
	}
	return false
}

// testKill checks invariant 2: an expert's only owner dies; its tokens wait for its return.
func testKill(t *testing.T, api endpoint, clients []known) {
	l := startLoad(t, api, clients)
	time.Sleep(time.Second)
	killContainer(t, pods(t, "expert-node")[0])
	eventually(t, 60*time.Second, func() error {
		for _, p := range pods(t, "expert-node") {
			if s := p.Status.ContainerStatuses[0]; s.RestartCount > 0 && s.Ready {
				return nil
			}
		}
		return errors.New("the killed container is not ready again")
	})
	time.Sleep(2 * time.Second)
	l.stop(t)
	waitReady(t, "2/2")
}

// testRestart: a rolling restart by the user loses no request.
func testRestart(t *testing.T, api endpoint, clients []known, role, kind string) {
	before := pods(t, role)
	owner := ownerOf(t, before[0], kind)
	l := startLoad(t, api, clients)
	time.Sleep(time.Second)
	ctl(t, "rollout", "restart", kind+"/"+owner)
	ctl(t, "rollout", "status", kind+"/"+owner, "--timeout=120s")
	time.Sleep(2 * time.Second)
	l.stop(t)
	for _, old := range before {
		for _, now := range pods(t, role) {
			if now.UID == old.UID && now.DeletionTimestamp == nil {
				t.Errorf("pod %s was not replaced", old.Name)
			}
		}
	}
	waitReady(t, "2/2")
}

// ownerOf is the name of the Deployment or StatefulSet that a pod comes from.
func ownerOf(t *testing.T, p corev1.Pod, kind string) string {
	t.Helper()
	owner := p.OwnerReferences[0].Name
	if kind == "deployment" { // by way of a ReplicaSet: NAME-HASH
		return owner[:strings.LastIndex(owner, "-")]
	}
	return owner
}

func testScale(t *testing.T, api endpoint, clients []known) {
	l := startLoad(t, api, clients)
	for _, n := range []string{"3", "2"} {
		ctl(t, "patch", "olmoe", name, "--type=merge", "-p", `{"spec":{"expertNodes":`+n+`}}`)
		waitReady(t, n+"/"+n)
	}
	time.Sleep(time.Second)
	l.stop(t)
	waitPods(t, 2)
}

// waitPods waits until those that have left are gone.
func waitPods(t *testing.T, want int) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		if n := len(pods(t, "expert-node")); n != want {
			return fmt.Errorf("%d expert-node pods, want %d", n, want)
		}
		return nil
	})
}

// testRebalance: under steady traffic experts move to where their load wants them; no answer changes,
// no stream stalls, and the deployment stays Ready.
func testRebalance(t *testing.T, api endpoint, clients []known) {
	ctl(t, "patch", "olmoe", name, "--type=merge", "-p", `{"spec":{"experts":{"rebalancing":{"windowSeconds":8,"minGainPercent":1}}}}`)
	waitReady(t, "2/2")
	l := startStreams(t, api, clients)
	limit, start := l.quiet(t).limit(), time.Now()
	eventually(t, 90*time.Second, func() error {
		if err := ready(t.Context(), "2/2"); err != nil {
			t.Error(err) // Ready all the time
		}
		s := getPool(t).Status
		if s.Rebalancing == nil || s.Placement.Target != nil {
			return fmt.Errorf("no experts have moved: %+v, %+v", s.Load, meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionBalanced))
		}
		t.Logf("%d experts moved; balancedness before the next window %v", s.Rebalancing.Experts, s.Balancedness)
		return nil
	})
	bearable(t, "meanwhile", l.stalls(), start, limit)
	l.stop(t)
}

func getPool(t *testing.T) *v1alpha1.ExpertPool {
	t.Helper()
	pool := &v1alpha1.ExpertPool{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, pool); err != nil {
		t.Fatal(err)
	}
	return pool
}

// testOperatorAway checks invariant 4: without an operator requests flow and a restarted pod rejoins.
func testOperatorAway(t *testing.T, api endpoint, one known) {
	ctl(t, "scale", "-n", operatorNamespace, "deployment", "--all", "--replicas=0")
	ctl(t, "wait", "-n", operatorNamespace, "pod", "--all", "--for=delete", "--timeout=60s")
	router := pods(t, "router")[0]
	killContainer(t, router)
	eventually(t, 60*time.Second, func() error {
		err := api.again(t.Context(), one)
		if errors.Is(err, errChanged) {
			t.Fatal(err)
		}
		return err
	})
	ctl(t, "scale", "-n", operatorNamespace, "deployment", "--all", "--replicas=1")
	ctl(t, "rollout", "status", "-n", operatorNamespace, "deployment", "--timeout=60s")
	waitReady(t, "2/2")
}

// testModelNotFound: the condition says what is wrong, and the deployment that works goes on.
func testModelNotFound(t *testing.T) {
	d := &v1alpha1.OLMoEDeployment{}
	d.Namespace, d.Name = namespace, "missing"
	d.Spec.Model.Source = "file:///does/not/exist"
	if err := kube.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, func() error {
		c := meta.FindStatusCondition(getDeployment(t, d.Name).Status.Conditions, v1alpha1.ConditionReady)
		if c == nil || c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonModelNotFound {
			return fmt.Errorf("want Ready=False because of %s, got %+v", v1alpha1.ReasonModelNotFound, c)
		}
		t.Log(c.Message)
		return nil
	})
	if err := ready(t.Context(), "2/2"); err != nil {
		t.Error(err)
	}
	if err := kube.Delete(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func testDelete(t *testing.T) {
	if err := kube.Delete(t.Context(), getDeployment(t, name)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, func() error {
		if left := versions(t); len(left) > 0 {
			return fmt.Errorf("left in the namespace: %v", left)
		}
		return nil
	})
}
