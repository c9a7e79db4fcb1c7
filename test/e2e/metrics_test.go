//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// adapter is what Prometheus and prometheus-adapter do with the PodMonitor of config/monitoring and
// the rules of docs/scaling.md, as far as an HPA needs it: it scrapes the pods that the PodMonitor
// selects, and serves the custom metrics that the rules make of their series: of an ExpertPool, or of
// each router.
type adapter struct {
	t       *testing.T
	monitor podMonitor
	rules   adapterRules
}

// The forms of expression that the adapter can work out: the largest value of a pool's nodes, and the
// sum of two series of a pod.
const (
	maxOfNodes = "max by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})"
	sumOfPod   = "sum by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>} + " + secondSeries + "{<<.LabelMatchers>>})"

	secondSeries = "olmoe_engine_queued_sequences"
)

type podMonitor struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
		NamespaceSelector   map[string]bool      `json:"namespaceSelector"`
		Selector            metav1.LabelSelector `json:"selector"`
		PodMetricsEndpoints []struct {
			Port        string           `json:"port"`
			Interval    string           `json:"interval"`
			Relabelings []map[string]any `json:"relabelings"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

type adapterRules struct {
	Rules []struct {
		SeriesQuery  string            `json:"seriesQuery"`
		Resources    map[string]any    `json:"resources"`
		Name         map[string]string `json:"name"`
		MetricsQuery string            `json:"metricsQuery"`
	} `json:"rules"`
}

const metricsAPI = "/apis/custom.metrics.k8s.io/v1beta2"

// serveMetrics registers an adapter in the cluster for the length of a test.
func serveMetrics(t *testing.T) {
	t.Helper()
	a := &adapter{t: t}
	manifest, err := os.ReadFile(filepath.Join(root, "config/monitoring/podmonitor.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(manifest, &a.monitor)
	}
	if err != nil {
		t.Fatal(err)
	}
	var ofRouters adapterRules
	documented(t, "rules:\n", &a.rules)
	documented(t, "{as: router_sequences}", &ofRouters)
	a.rules.Rules = append(a.rules.Rules, ofRouters.Rules...)
	server := httptest.NewUnstartedServer(a)
	listener, err := net.Listen("tcp", net.JoinHostPort(hostIP(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	server.StartTLS()
	t.Cleanup(server.Close)
	register(t, listener.Addr().(*net.TCPAddr))
}

// hostIP is this machine's address as the cluster knows it: the API server's.
func hostIP(t *testing.T) string {
	t.Helper()
	server := ctl(t, "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname()
}

// register makes the API server send what concerns custom metrics to an address.
func register(t *testing.T, at *net.TCPAddr) {
	t.Helper()
	const serviceName, portName = "custom-metrics", "https"
	port, portLabel, ready := int32(at.Port), portName, true
	meta := metav1.ObjectMeta{Name: serviceName, Namespace: namespace}
	sliceMeta := *meta.DeepCopy()
	sliceMeta.Labels = map[string]string{discoveryv1.LabelServiceName: serviceName}
	api := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
		"metadata": map[string]any{"name": "v1beta2.custom.metrics.k8s.io"},
		"spec": map[string]any{
			"group": "custom.metrics.k8s.io", "version": "v1beta2", "groupPriorityMinimum": int64(100), "versionPriority": int64(100),
			"insecureSkipTLSVerify": true, "service": map[string]any{"namespace": namespace, "name": serviceName, "port": int64(443)},
		},
	}}
	for _, o := range []client.Object{
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: portName, Port: 443}}}},
		&discoveryv1.EndpointSlice{ObjectMeta: sliceMeta, AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{at.IP.String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
			Ports:     []discoveryv1.EndpointPort{{Name: &portLabel, Port: &port}}},
		api,
	} {
		if err := kube.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := client.IgnoreNotFound(kube.Delete(context.WithoutCancel(t.Context()), o)); err != nil {
				t.Error(err)
			}
		})
	}
}

// ServeHTTP answers discovery, and GET .../namespaces/NS/expertpools.serving.olmoe.dev/POOL/METRIC and
// .../namespaces/NS/pods/*/METRIC?labelSelector=...
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, metricsAPI+"/namespaces/"), "/")
	var items []any
	var err error
	switch {
	case r.URL.Path == metricsAPI:
		a.write(w, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "custom.metrics.k8s.io/v1beta2",
			APIResources: []metav1.APIResource{{Name: "expertpools.serving.olmoe.dev/any", Namespaced: true, Kind: "MetricValueList", Verbs: metav1.Verbs{"get"}},
				{Name: "pods/any", Namespaced: true, Kind: "MetricValueList", Verbs: metav1.Verbs{"get"}}}})
		return
	case strings.HasPrefix(r.URL.Path, metricsAPI+"/namespaces/") && len(parts) == 4 && parts[1] == "expertpools.serving.olmoe.dev":
		items, err = a.ofPool(parts[0], parts[2], parts[3])
	case strings.HasPrefix(r.URL.Path, metricsAPI+"/namespaces/") && len(parts) == 4 && parts[1] == "pods" && parts[2] == "*":
		items, err = a.ofPods(parts[0], r.URL.Query().Get("labelSelector"), parts[3])
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	a.write(w, map[string]any{"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": map[string]any{}, "items": items})
}

// item is a metric's value of an object.
func item(of corev1.ObjectReference, metric string, value float64) any {
	return map[string]any{
		"describedObject": of,
		"metric":          map[string]any{"name": metric},
		"timestamp":       metav1.Now(),
		"value":           resource.NewMilliQuantity(int64(1000*value), resource.DecimalSI),
	}
}

func (a *adapter) write(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Log(err)
	}
}

// series that a metric's rule is made of, if its expression has a form that is known here.
func (a *adapter) series(metric, form string) (string, error) {
	for _, r := range a.rules.Rules {
		if r.Name["as"] != metric {
			continue
		}
		if r.MetricsQuery != form {
			return "", fmt.Errorf("metric %s: this test cannot work out %q", metric, r.MetricsQuery)
		}
		series, _, _ := strings.Cut(r.SeriesQuery, "{")
		return series, nil
	}
	return "", fmt.Errorf("no rule makes metric %s", metric)
}

// ofPool is the largest value over the pods of a pool; the PodMonitor turns their instance label into
// "pool".
func (a *adapter) ofPool(ns, pool, metric string) ([]any, error) {
	series, err := a.series(metric, maxOfNodes)
	if err != nil {
		return nil, err
	}
	most := math.Inf(-1)
	err = a.each(ns, "app.kubernetes.io/instance="+pool, func(p *corev1.Pod, port string) {
		if value, err := scrape(a.t.Context(), p, port, series); err == nil {
			most = max(most, value)
		}
	})
	if err == nil && math.IsInf(most, -1) {
		err = fmt.Errorf("no pod of %s has %s", pool, series)
	}
	return []any{item(corev1.ObjectReference{APIVersion: "serving.olmoe.dev/v1alpha1", Kind: "ExpertPool", Namespace: ns, Name: pool}, metric, most)}, err
}

// ofPods are the sums of each pod that can be asked.
func (a *adapter) ofPods(ns, selector, metric string) (items []any, err error) {
	series, err := a.series(metric, sumOfPod)
	if err != nil {
		return nil, err
	}
	err = a.each(ns, selector, func(p *corev1.Pod, port string) {
		first, err := scrape(a.t.Context(), p, port, series)
		second, err2 := scrape(a.t.Context(), p, port, secondSeries)
		if err == nil && err2 == nil {
			items = append(items, item(corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: ns, Name: p.Name}, metric, first+second))
		}
	})
	return items, err
}

// each calls do for the pods that the PodMonitor and a selector select.
func (a *adapter) each(ns, selector string, do func(p *corev1.Pod, port string)) error {
	s, err := labels.Parse(selector)
	if err != nil {
		return err
	}
	var pods corev1.PodList
	if err := kube.List(a.t.Context(), &pods, client.InNamespace(ns), client.MatchingLabelsSelector{Selector: s}); err != nil {
		return err
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; labels.SelectorFromSet(a.monitor.Spec.Selector.MatchLabels).Matches(labels.Set(p.Labels)) {
			do(p, a.monitor.Spec.PodMetricsEndpoints[0].Port)
		}
	}
	return nil
}
