//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

const (
	namespace         = "default"
	name              = "demo" // of the sample's OLMoEDeployment
	operatorNamespace = "olmoe-system"
)

// The cluster under test.
var (
	root       string // of the checkout
	kubeconfig string
	kubectl    string
	kube       client.Client
	sample     v1alpha1.OLMoEDeployment // as the demo applied it
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run brings the cluster up as "make demo" does, runs the tests and takes it down; what down leaves
// behind fails the run.
func run(m *testing.M) (status int) {
	os.Setenv("CLUSTER", "e2e")
	root, _ = filepath.Abs("../..")
	if err := script("hack/demo/down.sh"); err != nil { // of a run that was cut off
		return fail(err)
	}
	if os.Getenv("E2E_KEEP") == "" {
		defer func() {
			if err := script("hack/demo/down.sh"); err != nil {
				status = fail(err)
			}
		}()
	}
	if err := script("hack/demo/up.sh"); err != nil {
		return fail(err)
	}
	if err := connect(); err != nil {
		return fail(err)
	}
	return m.Run()
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}

// script runs one of the project's scripts, its output shown.
func script(path string, args ...string) error {
	cmd := exec.Command(filepath.Join(root, path), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// output runs one of the project's scripts and returns the last line that it prints.
func output(path string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(root, path), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], err
}

func connect() (err error) {
	if kubeconfig, err = output("hack/cluster/cluster.sh", "kubeconfig"); err != nil {
		return err
	}
	if kubectl, err = output("hack/tools/tool.sh", "kubectl"); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	log.SetLogger(logr.Discard()) // the test says itself what goes wrong
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	if kube, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	return kube.Get(context.Background(), client.ObjectKey{Namespace: namespace, Name: name}, &sample)
}
