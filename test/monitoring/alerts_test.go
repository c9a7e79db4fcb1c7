package monitoring

import (
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/teststorage"
	"sigs.k8s.io/yaml"
)

// alerts are the rules of config/monitoring, as Prometheus reads them.
func alerts(t *testing.T) (list []rulefmt.Rule) {
	t.Helper()
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "config", "monitoring", "prometheusrule.yaml")), &object); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(object.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.Default())
	for _, err := range errs {
		t.Fatal(err)
	}
	for _, g := range groups.Groups {
		list = append(list, g.Rules...)
	}
	return list
}

// firing are the label sets for which a rule fires at some time of a world.
func firing(t *testing.T, e *promql.Engine, s *teststorage.TestStorage, r rulefmt.Rule) (out []labels.Labels) {
	t.Helper()
	end := time.Unix(0, 0).Add((samples - 1) * step)
	q, err := e.NewRangeQuery(t.Context(), s, nil, r.Expr, time.Unix(0, 0), end, step)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	matrix, err := q.Exec(t.Context()).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", r.Alert, err)
	}
	for _, series := range matrix {
		if lasts(series.Floats) >= time.Duration(r.For) {
			out = append(out, series.Metric.Copy())
		}
	}
	return out
}

// lasts is the longest time for which a series is there without a gap.
func lasts(points []promql.FPoint) (longest time.Duration) {
	since := int64(0)
	for i, p := range points {
		if i == 0 || p.T-points[i-1].T > step.Milliseconds() {
			since = p.T
		}
		longest = max(longest, time.Duration(p.T-since)*time.Millisecond)
	}
	return longest
}

// faults are what can be wrong, one thing each, by the alert that is to fire.
var faults = map[string][]map[string]string{
	"":                         {nil},
	"OLMoENotServing":          {{`olmoe_deployment_available{` + told + `}`: "0"}},
	"OLMoEStalled":             {{`olmoe_deployment_stalled{` + told + `}`: "1"}},
	"OLMoEExpertsWithoutOwner": {{`olmoe_pool_experts_covered{` + told + `}`: "64"}},
	"OLMoEExpertNodesMissing":  {{`olmoe_pool_ready_nodes{` + told + `}`: "1"}},
	"OLMoECopiesShareMachine":  {{`olmoe_pool_experts_sharing_machine{` + told + `}`: "3"}},
	"OLMoEBalancerFailing":     {{`olmoe_pool_balancer_ok{` + told + `}`: "0"}},
	"OLMoEExpertNodesBusy":     {{`olmoe_expert_utilization{` + nodeB + `}`: "0.95"}},
	"OLMoERequestErrors":       {{`olmoe_http_requests_total{` + router + `,path="/v1/completions",code="500"}`: "+1"}},
	"OLMoEStreamErrors":        {{`olmoe_http_stream_errors_total{` + router + `,code="500"}`: "+1"}},
	"OLMoERequestsRefused": {
		{`olmoe_http_requests_total{` + router + `,path="/v1/completions",code="429"}`: "+1"},
		{`olmoe_http_stream_errors_total{` + router + `,code="429"}`: "+1"},
	},
	"OLMoERequestsQueue": {{`olmoe_engine_queued_sequences{` + router + `}`: "1"}},
	"OLMoEKVCacheShort":  {{`olmoe_engine_preempted_total{` + router + `}`: "+1"}},
	"OLMoECallsWait":     {{`olmoe_dispatch_waiting_calls{` + router + `}`: "1"}},
	"OLMoEDamagedFrames": {
		{`olmoe_expert_bad_frames_total{` + nodeA + `}`: "+1"},
		{`olmoe_dispatch_stream_errors_total{` + router + `,reason="BadFrame"}`: "+1"},
	},
	"OLMoESlowKernels": {
		{`olmoe_pod_info{` + nodeB + `,role="expert-node",version="v0.1.0",kernels="portable"}`: "1"},
	},
	"OLMoEOperatorDown":   {{leader: "0"}}, // both replicas stand by
	"OLMoEOperatorErrors": {{reconcileErrors: "+5"}},

	"OLMoEOperatorNamespaceLeftOut": {{watched: "0"}},
}

// TestAlerts: nothing fires while all is well, and of what can be wrong each thing makes
// its own alert fire, and no other.
func TestAlerts(t *testing.T) {
	rules, e := alerts(t), engine(t)
	for want, worlds := range faults {
		for _, others := range worlds {
			world := load(t, healthy, others, nil)
			for _, r := range rules {
				got := firing(t, e, world, r)
				if (r.Alert == want) != (len(got) == 1) || len(got) > 1 {
					t.Errorf("in the world of %q %s fires for %v", want, r.Alert, got)
				}
				for _, of := range got {
					checkWords(t, r, of)
				}
			}
		}
	}
	for _, r := range rules {
		if len(faults[r.Alert]) == 0 {
			t.Errorf("%s is not tested", r.Alert)
		}
	}
}

// TestLife: what goes by the operator's pods survives them, and what is no fault raises no
// alert.
func TestLife(t *testing.T) {
	ofOperator := func(series string) bool { return strings.Contains(series, operator) }
	for _, c := range []struct {
		name   string
		others map[string]string
		there  func(series string, sample int) bool
		want   string
	}{
		{"the operator is gone", nil, func(series string, i int) bool { return !ofOperator(series) || i < broken }, "OLMoEOperatorDown"},
		{"it is seen once in five minutes, between crashes", nil, func(series string, i int) bool { return !ofOperator(series) || i%20 == 0 }, "OLMoEOperatorDown"},
		{"it is away for three minutes", nil, func(series string, i int) bool { return !ofOperator(series) || i < broken || i > broken+12 }, ""},
		{"a first placement is being loaded", map[string]string{`olmoe_pool_experts_covered{` + told + `}`: "0", `olmoe_dispatch_serving_epoch{` + router + `}`: "0"}, nil, ""},
		{"a roll without end", map[string]string{`olmoe_pool_balancer_ok{` + told + `}`: "0", `olmoe_pool_ready_nodes{` + told + `}`: "1"}, nil, "OLMoEExpertNodesMissing"},
		{"requests and errors do not begin with the router", nil, func(series string, _ int) bool { return !strings.Contains(series, `code="5`) }, ""},
	} {
		rules, e, world := alerts(t), engine(t), load(t, healthy, c.others, c.there)
		for _, r := range rules {
			if got := firing(t, e, world, r); (r.Alert == c.want) != (len(got) > 0) {
				t.Errorf("%s: %s fires for %v", c.name, r.Alert, got)
			}
		}
	}
}

// TestANewLeaderIsNoNews: an alert goes on when another pod of the operator tells the same.
func TestANewLeaderIsNoNews(t *testing.T) {
	const block = 4 * 12 // each pod leads for twelve minutes
	both, others := maps.Clone(healthy), map[string]string{`olmoe_pool_ready_nodes{` + told + `}`: "1"}
	for series, v := range healthy {
		if strings.Contains(series, operator) {
			other := strings.Replace(series, "olmoe-operator-a", "olmoe-operator-b", 1)
			both[other] = v
			if o := others[series]; o != "" {
				others[other] = o
			}
		}
	}
	world := load(t, both, others, func(series string, i int) bool {
		a, b := strings.Contains(series, "olmoe-operator-a"), strings.Contains(series, "olmoe-operator-b")
		return !a && !b || a == (i/block%2 == 0)
	})
	e := engine(t)
	for _, r := range alerts(t) {
		if got := firing(t, e, world, r); (r.Alert == "OLMoEExpertNodesMissing") != (len(got) == 1) {
			t.Errorf("%s fires for %v", r.Alert, got)
		}
	}
}

// checkWords: what the annotations say of labels is what a firing alert has, and the
// namespace and the deployment are told, but by the operator's own alerts.
func checkWords(t *testing.T, r rulefmt.Rule, of labels.Labels) {
	t.Helper()
	words := strings.Join(slices.Collect(maps.Values(r.Annotations)), " ")
	for _, m := range regexp.MustCompile(`\$labels\.([a-z_]+)`).FindAllStringSubmatch(words, -1) {
		if !of.Has(m[1]) {
			t.Errorf("%s speaks of the label %s, and has %s", r.Alert, m[1], of)
		}
	}
	if !strings.HasPrefix(r.Alert, "OLMoEOperator") && (of.Get("namespace") == "" || of.Get("pool") == "") {
		t.Errorf("%s does not tell whose it is: %s", r.Alert, of)
	}
}

// TestRunbook: every alert has a severity, and a part of docs/monitoring.md that it links to;
// no part is about an alert that there is not.
func TestRunbook(t *testing.T) {
	parts := map[string]bool{} // false: no alert has it
	for _, m := range regexp.MustCompile(`(?m)^### (OLMoE.*)$`).FindAllStringSubmatch(read(t, "docs", "monitoring.md"), -1) {
		parts[m[1]] = false
	}
	for _, r := range alerts(t) {
		if _, is := parts[r.Alert]; !is {
			t.Errorf("docs/monitoring.md has no part %q", r.Alert)
		}
		parts[r.Alert] = true
		if !strings.HasSuffix(r.Annotations["runbook_url"], "/docs/monitoring.md#"+strings.ToLower(r.Alert)) {
			t.Errorf("%s links to %s", r.Alert, r.Annotations["runbook_url"])
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s lacks a severity, a summary or a description", r.Alert)
		}
	}
	for part, is := range parts {
		if !is {
			t.Errorf("docs/monitoring.md has a part %q, and there is no such alert", part)
		}
	}
}
