// Package kubetest gives tests a real kube-apiserver and etcd with the CRDs
// installed. There is no kubelet and no controller-manager: tests play them.
package kubetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// owners is an admission plugin that some clusters have, OpenShift among them: only who may
// delete an object gives it another owner, and only who may finalize an owner gives it
// children that it waits for. So the operator is tested with the strictest of API servers.
const owners = "OwnerReferencesPermissionEnforcement"

// assets is the folder of the etcd and kube-apiserver binaries; make sets it.
const assets = "KUBEBUILDER_ASSETS"

var (
	once   sync.Once
	env    *envtest.Environment
	config *rest.Config
	failed error
)

// Main runs a package's tests and stops the API server if one was started.
func Main(m *testing.M) {
	code := m.Run()
	if env != nil {
		if err := env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "kubetest: stop:", err)
		}
	}
	os.Exit(code)
}

// Config returns the configuration of the package's API server, started at the
// first call. Without the binaries the test is skipped.
func Config(t testing.TB) *rest.Config {
	t.Helper()
	if os.Getenv(assets) == "" {
		t.Skipf("%s is not set: run `make test`, which builds kube-apiserver and etcd", assets)
	}
	once.Do(func() {
		env = &envtest.Environment{
			CRDDirectoryPaths:     []string{filepath.Join(Root(), "config", "crd")},
			ErrorIfCRDPathMissing: true,
		}
		env.ControlPlane.GetAPIServer().Configure().Append("enable-admission-plugins", owners)
		config, failed = env.Start()
	})
	if failed != nil {
		t.Fatalf("start the test API server: %v", failed)
	}
	return config
}

// Client returns a client without cache.
func Client(t testing.TB) client.Client {
	t.Helper()
	c, err := client.New(Config(t), client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Scheme knows the core kinds and this project's.
func Scheme() *kruntime.Scheme {
	s := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}

// Namespace makes a namespace of the test's own and returns its name.
func Namespace(t testing.TB, c client.Client) string {
	t.Helper()
	prefix := strings.ToLower(strings.Map(letters, t.Name()))
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix[:min(len(prefix), 40)] + "-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return -1
}

// Root is the repository's root folder: the first above the test's own that has a
// go.mod. (File names in a program built with -trimpath do not tell.)
func Root() string {
	for dir := "."; ; dir = filepath.Join(dir, "..") {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			root, err := filepath.Abs(dir)
			if err == nil {
				return root
			}
		}
		if abs, err := filepath.Abs(dir); err != nil || abs == "/" {
			panic("kubetest: the test does not run within a checkout")
		}
	}
}
