// Package demo tests the demo's scripts on a cluster of one's own: a real API server, which is somebody's.
package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// cluster is somebody's cluster, of which the demo has the kubeconfig.
type cluster struct {
	*testing.T
	client.Client
	env []string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv("HELM") == "" || os.Getenv("KUBECTL") == "" {
		t.Skip("HELM and KUBECTL are not set: run `make test`, which builds them")
	}
	config := clientcmdapi.NewConfig()
	rest := kubetest.Config(t)
	config.Clusters["it"] = &clientcmdapi.Cluster{Server: rest.Host, CertificateAuthorityData: rest.CAData}
	config.AuthInfos["me"] = &clientcmdapi.AuthInfo{ClientCertificateData: rest.CertData, ClientKeyData: rest.KeyData}
	config.Contexts["it"] = &clientcmdapi.Context{Cluster: "it", AuthInfo: "me"}
	config.CurrentContext = "it"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	c := &cluster{T: t, Client: kubetest.Client(t), env: append(os.Environ(), "DEMO_KUBECONFIG="+file, "IMAGE=registry.example/olmoe:demo", "MODEL=file:///srv/models/olmoe")}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); c.collect(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

// collect plays the controllers that let a deleted namespace or object go.
func (c *cluster) collect(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		var spaces corev1.NamespaceList
		_ = c.List(ctx, &spaces)
		for i := range spaces.Items {
			if ns := &spaces.Items[i]; ns.DeletionTimestamp != nil {
				ns.Spec.Finalizers = nil
				_ = c.SubResource("finalize").Update(ctx, ns)
			}
		}
		var list v1alpha1.OLMoEDeploymentList
		_ = c.List(ctx, &list)
		for i := range list.Items {
			if d := &list.Items[i]; d.DeletionTimestamp != nil {
				d.Finalizers = nil
				_ = c.Update(ctx, d)
			}
		}
	}
}

// run runs a script, or a line of functions of lib.sh, and returns what it said.
func (c *cluster) run(ok bool, line string) string {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), "bash", "-euo", "pipefail", "-c", line)
	cmd.Env = c.env
	said, err := cmd.CombinedOutput()
	if (err == nil) != ok {
		c.Errorf("%s: %v\n%s", line, err, said)
	}
	return string(said)
}

const library = `. ../cluster/env.sh; . ./lib.sh; KUBECONFIG_USED=$DEMO_KUBECONFIG; find_tools; `

func (c *cluster) make(objects ...client.Object) {
	c.Helper()
	for _, o := range objects {
		if err := c.Create(c.Context(), o); err != nil {
			c.Fatal(err)
		}
	}
}

func (c *cluster) has(o client.Object) bool {
	c.Helper()
	err := c.Get(c.Context(), client.ObjectKeyFromObject(o), o)
	if err != nil && !apierrors.IsNotFound(err) && !strings.Contains(err.Error(), "no matches for kind") {
		c.Fatal(err)
	}
	return err == nil && o.GetDeletionTimestamp() == nil
}

func space(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func deployment(ns, name string) *v1alpha1.OLMoEDeployment {
	d := &v1alpha1.OLMoEDeployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns}}
	d.Spec.Model.Source = "pvc://models"
	return d
}

func operator(ns string) *appsv1.Deployment {
	labels := map[string]string{"app.kubernetes.io/name": "olmoe-operator"}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "olmoe-operator-manager", Namespace: ns, Labels: labels}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	d.Spec.Template.Labels = labels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "manager", Image: "olmoe:mine"}}
	return d
}

func crd(kind string) client.Object {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion("apiextensions.k8s.io/v1")
	u.SetKind("CustomResourceDefinition")
	u.SetName(kind + ".serving.olmoe.dev")
	return u
}

// TestDemo: whatever is there already, the demo neither changes nor removes it. The parts follow each other on one
// API server.
func TestDemo(t *testing.T) {
	c := newCluster(t)
	all := []client.Object{space("olmoe-system"), operator("olmoe-system"), deployment("default", "demo"), deployment("olmoe-system", "other")}
	c.make(all...)

	t.Run("an operator is there", func(t *testing.T) {
		if said := c.run(false, "./up.sh"); !strings.Contains(said, "an operator runs in namespace olmoe-system already") {
			t.Error(said)
		}
		c.run(true, "./down.sh")
		for _, o := range append(all, crd("olmoedeployments"), crd("expertpools")) {
			if !c.has(o) {
				t.Errorf("demo-down deletes %T %s", o, o.GetName())
			}
		}
	})
	t.Run("an object of the demo's name is there", func(t *testing.T) {
		if err := c.Delete(t.Context(), all[1]); err != nil {
			t.Fatal(err)
		}
		if said := c.run(false, library+"refuse_what_is_not_ours"); !strings.Contains(said, "OLMoEDeployment demo in namespace default is there") {
			t.Error(said)
		}
	})
	t.Run("somebody's CRDs stay", func(t *testing.T) {
		if err := c.Delete(t.Context(), all[2]); err != nil {
			t.Fatal(err)
		}
		c.install()
		c.run(true, "./down.sh")
		for _, o := range []client.Object{crd("olmoedeployments"), crd("expertpools"), all[3], all[0]} {
			if !c.has(o) {
				t.Errorf("demo-down deletes %T %s", o, o.GetName())
			}
		}
		c.clean()
	})
	t.Run("the demo's CRDs stay while they are used", func(t *testing.T) {
		for _, kind := range []string{"olmoedeployments", "expertpools"} {
			if err := c.Delete(t.Context(), crd(kind)); err != nil {
				t.Fatal(err)
			}
			c.gone(crd(kind))
		}
		c.install()
		mine := deployment("default", "mine")
		c.make(mine)
		if said := c.run(true, "./down.sh"); !strings.Contains(said, "the CRDs stay") || !c.has(mine) {
			t.Error(said)
		}
		c.clean()
		if err := c.Delete(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("nobody uses the demo's CRDs", func(t *testing.T) {
		c.run(true, "./down.sh")
		c.gone(crd("olmoedeployments"))
		c.gone(crd("expertpools"))
	})
	t.Run("the demo's own cluster", c.followsFormerVersion)
}

// followsFormerVersion: on the demo's own cluster a demo runs the program built since, also where a version that
// did not mark what it made, and whose CRDs Helm installed, was the first.
func (c *cluster) followsFormerVersion(t *testing.T) {
	c.run(true, library+`for f in "$CHART"/crds/*.yaml; do
	  sed "s/Everything is as the spec wants it/as it was/" "$f" | kube create --field-manager=helm -f -; done
	kube wait --for=condition=Established crd --all; kube apply -f "$ROOT/config/samples/olmoedeployment.yaml"`)
	c.run(true, `own=$DEMO_KUBECONFIG MODEL=; unset DEMO_KUBECONFIG; . ../cluster/env.sh; . ./lib.sh; KUBECONFIG_USED=$own; find_tools; `+up)
	for _, o := range []client.Object{space("olmoe-system"), crd("olmoedeployments"), deployment("default", "demo")} {
		if !c.has(o) || o.GetLabels()["olmoe.dev/made-by"] != "demo" {
			t.Errorf("%T %s is not the demo's: %v", o, o.GetName(), o.GetLabels())
		}
	}
	now := crd("olmoedeployments")
	if c.has(now); strings.Contains(fmt.Sprint(now), "as it was") {
		t.Error("the CRD is the former version's")
	}
}

// up does what up.sh does, but for waiting until pods run: nobody runs them here.
const up = `refuse_what_is_not_ours; "$KUBECTL" create namespace "$OPERATOR_NAMESPACE" --dry-run=client -o yaml | apply_marked; install_crds; apply_sample; refuse_what_is_not_ours`

func (c *cluster) install() {
	c.Helper()
	c.run(true, library+up)
}

// clean checks that nothing of the demo but CRDs is left.
func (c *cluster) clean() {
	c.Helper()
	c.gone(space("olmoe-demo"))
	c.gone(deployment("default", "demo"))
}

func (c *cluster) gone(o client.Object) {
	c.Helper()
	for deadline := time.Now().Add(30 * time.Second); c.has(o); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("%T %s is still there", o, o.GetName())
		}
	}
}
