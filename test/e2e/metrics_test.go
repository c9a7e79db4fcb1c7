//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// adapter is what Prometheus and prometheus-adapter do with the manifests of docs/scaling.md, as far
// as an HPA needs it: it scrapes the pods that the PodMonitor selects, and serves the custom metrics
// that the rules make of their series. The rules' expressions are of the form "max by (...) (series)".
type adapter struct {
	t       *testing.T
	monitor podMonitor
	rules   adapterRules
}

type podMonitor struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        metav1.ObjectMeta `json:"metadata"`
	Spec            struct {
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
	documented(t, "kind: PodMonitor", &a.monitor)
	documented(t, "rules:\n", &a.rules)
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

// ServeHTTP answers discovery, and GET .../namespaces/NS/expertpools.serving.olmoe.dev/POOL/METRIC.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, metricsAPI+"/namespaces/"), "/")
	switch {
	case r.URL.Path == metricsAPI:
		a.write(w, metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "custom.metrics.k8s.io/v1beta2",
			APIResources: []metav1.APIResource{{Name: "expertpools.serving.olmoe.dev/any", Namespaced: true, Kind: "MetricValueList", Verbs: metav1.Verbs{"get"}}}})
	case strings.HasPrefix(r.URL.Path, metricsAPI+"/namespaces/") && len(parts) == 4 && parts[1] == "expertpools.serving.olmoe.dev":
		value, err := a.value(parts[0], parts[2], parts[3])
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		a.write(w, map[string]any{
			"kind": "MetricValueList", "apiVersion": "custom.metrics.k8s.io/v1beta2", "metadata": map[string]any{},
			"items": []any{map[string]any{
				"describedObject": corev1.ObjectReference{APIVersion: "serving.olmoe.dev/v1alpha1", Kind: "ExpertPool", Namespace: parts[0], Name: parts[2]},
				"metric":          map[string]any{"name": parts[3]},
				"timestamp":       metav1.Now(),
				"value":           resource.NewMilliQuantity(int64(1000*value), resource.DecimalSI),
			}},
		})
	default:
		http.NotFound(w, r)
	}
}

func (a *adapter) write(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Log(err)
	}
}

// value works out a metric of a pool by its rule.
func (a *adapter) value(ns, pool, metric string) (float64, error) {
	for _, r := range a.rules.Rules {
		series, _, _ := strings.Cut(r.SeriesQuery, "{")
		if r.Name["as"] != metric {
			continue
		}
		if r.MetricsQuery != "max by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})" {
			return 0, fmt.Errorf("metric %s: this test cannot work out %q", metric, r.MetricsQuery)
		}
		return a.max(ns, pool, series)
	}
	return 0, fmt.Errorf("no rule makes metric %s", metric)
}

// max of a series over the pods of a pool; the PodMonitor turns their instance label into "expertpool".
func (a *adapter) max(ns, pool, series string) (float64, error) {
	var pods corev1.PodList
	selector := client.MatchingLabels{"app.kubernetes.io/instance": pool}
	for k, v := range a.monitor.Spec.Selector.MatchLabels {
		selector[k] = v
	}
	if err := kube.List(a.t.Context(), &pods, client.InNamespace(ns), selector); err != nil {
		return 0, err
	}
	most := math.Inf(-1)
	for i := range pods.Items {
		if value, err := scrape(a.t.Context(), &pods.Items[i], a.monitor.Spec.PodMetricsEndpoints[0].Port, series); err == nil {
			most = max(most, value)
		}
	}
	if math.IsInf(most, -1) {
		return 0, fmt.Errorf("no pod of %s has %s", pool, series)
	}
	return most, nil
}

// scrape reads a series without labels from a pod's port of that name.
func scrape(ctx context.Context, p *corev1.Pod, port, series string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, one := range p.Spec.Containers[0].Ports {
		if one.Name != port {
			continue
		}
		address := net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(one.ContainerPort)))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			return 0, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		return valueOf(series, response)
	}
	return 0, fmt.Errorf("pod %s has no port %s", p.Name, port)
}

// valueOf a series, named with its labels, in the answer of a /metrics.
func valueOf(series string, response *http.Response) (float64, error) {
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			return strconv.ParseFloat(text, 64)
		}
	}
	return 0, fmt.Errorf("%s: %s has no %s", response.Request.URL, response.Status, series)
}
