package monitoring

import (
	"maps"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/teststorage"
	"sigs.k8s.io/yaml"
)

// crowd is the healthy deployment as demo in the namespace default, whose node B is the
// busiest, and beside it what an autoscaler of demo must not take for its own: a pool of this
// name in another namespace, and another pool in this one, both busier.
func crowd() map[string]string {
	world := map[string]string{}
	for series, value := range healthy {
		mine := strings.ReplaceAll(series, `namespace="nlp"`, `namespace="default"`)
		beside := strings.NewReplacer(`pool="demo"`, `pool="demo2"`, `"demo-`, `"demo2-`).Replace(mine)
		world[mine] = value
		if s := strings.ReplaceAll(mine, "demo-router-0", "demo-router-1"); strings.Contains(series, "olmoe_engine_") {
			world[s] = value
		}
		for _, other := range []string{series, beside} {
			switch {
			case strings.HasPrefix(series, "olmoe_expert_utilization"), strings.HasPrefix(series, "olmoe_expert_queue_seconds_mean"):
				world[other] = "0.99"
			default:
				world[other] = value
			}
		}
	}
	b := strings.ReplaceAll(nodeB, `namespace="nlp"`, `namespace="default"`)
	maps.Copy(world, map[string]string{
		`olmoe_expert_utilization{` + b + `}`:        "0.85",
		`olmoe_expert_queue_seconds_mean{` + b + `}`: "0.03",
	})
	return world
}

// documented is the page's YAML that has a text, read into out.
func documented(t *testing.T, has string, out any) {
	t.Helper()
	for _, block := range strings.Split(read(t, "docs", "scaling.md"), "```yaml\n")[1:] {
		if block, _, _ = strings.Cut(block, "```"); strings.Contains(block, has) {
			if err := yaml.Unmarshal([]byte(block), out); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("docs/scaling.md has no YAML with %q", has)
}

// ask evaluates a query as Prometheus' API does for an autoscaler.
func ask(t *testing.T, e *promql.Engine, world *teststorage.TestStorage, query string) promql.Vector {
	t.Helper()
	q, err := e.NewInstantQuery(t.Context(), world, nil, query, time.Unix(0, 0).Add(100*step))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	answer, err := q.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// kedaQueries are those of the page: of the ScaledObject, and of routers, which is indented text.
func kedaQueries(t *testing.T) (nodes, routers string) {
	t.Helper()
	var object struct {
		Spec struct {
			Triggers []struct {
				Type     string            `json:"type"`
				Metadata map[string]string `json:"metadata"`
			} `json:"triggers"`
		} `json:"spec"`
	}
	documented(t, "kind: ScaledObject", &object)
	if n := len(object.Spec.Triggers); n != 1 || object.Spec.Triggers[0].Type != "prometheus" {
		t.Fatalf("%d triggers, want one of Prometheus", n)
	}
	routers = regexp.MustCompile(`(?m)^    sum\(olmoe_engine_running_sequences.*\n.*$`).FindString(read(t, "docs", "scaling.md"))
	return object.Spec.Triggers[0].Metadata["query"], routers
}

// TestKEDAQueries: KEDA takes one number, and an empty answer for an error. So each query gives
// one, of this deployment alone, and nothing where there are no series.
func TestKEDAQueries(t *testing.T) {
	e, world, nobody := engine(t), load(t, crowd(), nil, nil), load(t, healthy, nil, nil) // in another namespace
	nodes, routers := kedaQueries(t)
	for query, want := range map[string]float64{nodes: 0.85, routers: 24} {
		if answer := ask(t, e, world, query); len(answer) != 1 || answer[0].F != want {
			t.Errorf("%s: %v, want %v", query, answer, want)
		}
		if answer := ask(t, e, nobody, query); len(answer) != 0 {
			t.Errorf("%s: %v of a deployment that is not there", query, answer)
		}
	}
}

// adapterRule is a rule of prometheus-adapter.
type adapterRule struct {
	SeriesQuery string `json:"seriesQuery"`
	Resources   struct {
		Overrides map[string]struct {
			Group    string `json:"group"`
			Resource string `json:"resource"`
		} `json:"overrides"`
	} `json:"resources"`
	Name         struct{ As string } `json:"name"`
	MetricsQuery string              `json:"metricsQuery"`
}

// of is the query that prometheus-adapter makes of a rule for objects of a kind: its template has
// the series, the labels that choose them, and the label that tells the objects apart.
func (r *adapterRule) of(t *testing.T, namespace, resource string, names ...string) string {
	t.Helper()
	label := map[string]string{}
	for name, o := range r.Resources.Overrides {
		label[o.Resource] = name
	}
	series, _, _ := strings.Cut(r.SeriesQuery, "{")
	matches := label[resource] + `="` + names[0] + `"`
	if len(names) > 1 {
		matches = label[resource] + `=~"` + strings.Join(names, "|") + `"`
	}
	var text strings.Builder
	err := template.Must(template.New("").Delims("<<", ">>").Parse(r.MetricsQuery)).Execute(&text, map[string]string{
		"Series": series, "GroupBy": label[resource],
		"LabelMatchers": label["namespace"] + `="` + namespace + `",` + matches,
	})
	if err != nil || label["namespace"] == "" || label[resource] == "" {
		t.Fatalf("%s: %v; labels %v", r.Name.As, err, label)
	}
	return text.String()
}

// TestAdapterRules: each rule finds series, with the labels that it makes objects of, and gives
// one number for the object, or for each of them, that the HPA asks for.
func TestAdapterRules(t *testing.T) {
	var nodes, routers struct{ Rules []adapterRule }
	documented(t, "{as: busiest_node_utilization}", &nodes)
	documented(t, "{as: router_sequences}", &routers)
	rules := map[string]adapterRule{}
	for _, r := range append(nodes.Rules, routers.Rules...) {
		rules[r.Name.As] = r
	}
	e, world := engine(t), load(t, crowd(), nil, nil)
	for _, c := range []struct {
		metric, resource string
		names            []string
		want             float64
	}{
		{"busiest_node_utilization", "expertpool", []string{"demo"}, 0.85},
		{"busiest_node_queue_seconds", "expertpool", []string{"demo"}, 0.03},
		{"router_sequences", "pod", []string{"demo-router-0", "demo-router-1"}, 12},
	} {
		rule, ok := rules[c.metric]
		if !ok {
			t.Errorf("no rule gives %s", c.metric)
			continue
		}
		delete(rules, c.metric)
		found := ask(t, e, world, rule.SeriesQuery)
		if len(found) == 0 {
			t.Errorf("%s finds no series", rule.SeriesQuery)
		}
		for _, s := range found {
			for label := range rule.Resources.Overrides {
				if !s.Metric.Has(label) {
					t.Errorf("%s has no label %s", s.Metric, label)
				}
			}
		}
		query := rule.of(t, "default", c.resource, c.names...)
		answer := ask(t, e, world, query)
		if len(answer) != len(c.names) {
			t.Errorf("%s: %v, want %d numbers", query, answer, len(c.names))
		}
		for _, s := range answer {
			if s.F != c.want {
				t.Errorf("%s: %v, want %v", query, s, c.want)
			}
		}
	}
	for name := range rules {
		t.Errorf("the rule of %s is not tested", name)
	}
}
