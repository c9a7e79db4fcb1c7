//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// eventually waits until check returns nil; when time is up the test fails with its last error.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// ctl runs kubectl and returns what it prints.
func ctl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(kubectl, append([]string{"--kubeconfig", kubeconfig, "-n", namespace}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// scene is what a failed test leaves behind, the most telling last: newest events, the operator's last words,
// objects. Lines are cut, since the end of a long report may be all that is read.
func scene(t *testing.T) string {
	t.Helper()
	const lines, width = 30, 240
	columns := "custom-columns=LAST:.lastTimestamp,TYPE:.type,OBJECT:.involvedObject.name,REASON:.reason,MESSAGE:.message"
	var b strings.Builder
	for _, part := range []string{
		ctl(t, "get", "events", "--sort-by=.metadata.creationTimestamp", "-o", columns),
		ctl(t, "logs", "-n", operatorNamespace, "deployment/olmoe-operator-manager"),
		ctl(t, "get", "expertpools", "-o", "jsonpath={range .items[*].status.conditions[*]}{.type}={.status} {.reason}: {.message}{'\\n'}{end}"),
		ctl(t, "get", "nodes,olmoe,expertpools,pods", "-o", "wide"),
	} {
		all := strings.Split(strings.TrimSpace(part), "\n")
		for _, line := range all[max(0, len(all)-lines):] {
			fmt.Fprintf(&b, "%.*s\n", width, line)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

func getDeployment(t *testing.T, name string) *v1alpha1.OLMoEDeployment {
	t.Helper()
	d := &v1alpha1.OLMoEDeployment{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// ready says why the deployment is not Ready for its newest spec with that many expert nodes.
func ready(ctx context.Context, expertNodes string) error {
	d := &v1alpha1.OLMoEDeployment{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, d); err != nil {
		return err
	}
	c := meta.FindStatusCondition(d.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != d.Generation || d.Status.Summary.ExpertNodes != expertNodes {
		return fmt.Errorf("not Ready with expert nodes %s at generation %d: %+v, %+v", expertNodes, d.Generation, d.Status.Summary, c)
	}
	return nil
}

func waitReady(t *testing.T, expertNodes string) {
	t.Helper()
	eventually(t, 90*time.Second, func() error { return ready(t.Context(), expertNodes) })
}

// pods lists those whose first container runs the given sub-command of olmoe.
func pods(t *testing.T, role string) []corev1.Pod {
	t.Helper()
	var all corev1.PodList
	if err := kube.List(t.Context(), &all, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var found []corev1.Pod
	for _, p := range all.Items {
		if args := p.Spec.Containers[0].Args; len(args) > 0 && args[0] == role {
			found = append(found, p)
		}
	}
	return found
}

// killContainer sends SIGKILL to the olmoe process of a pod.
func killContainer(t *testing.T, pod corev1.Pod) { signal(t, pod, syscall.SIGKILL) }

// signal sends a signal to the olmoe process of a pod. Nodes share the machine's process table.
func signal(t *testing.T, pod corev1.Pod, what syscall.Signal) {
	t.Helper()
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if !strings.Contains(string(cgroup), string(pod.UID)) || !strings.HasPrefix(string(command), "/olmoe\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, what); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no process of pod %s was found", pod.Name)
}
