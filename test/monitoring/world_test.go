package monitoring

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/util/teststorage"
)

const (
	step    = 15 * time.Second // between two scrapes, as in the monitors
	samples = 480
	broken  = 120 // the sample from which on a broken world is broken
)

const (
	pool   = `namespace="nlp",pool="demo"`
	router = pool + `,job="olmoe",pod="demo-router-0"`
	nodeA  = pool + `,job="olmoe",pod="demo-experts-0"`
	nodeB  = pool + `,job="olmoe",pod="demo-experts-1"`

	operator = `job="olmoe-operator",pod="olmoe-operator-a"`
	told     = pool + `,` + operator // of a pool, by the operator
)

const (
	leader          = `leader_election_master_status{namespace="olmoe-system",name="olmoe-operator.serving.olmoe.dev",` + operator + `}`
	watched         = `olmoe_operator_namespace_watched{namespace="nlp",` + operator + `}`
	reconcileErrors = `controller_runtime_reconcile_errors_total{` + operator + `,controller="expertpool"}`
)

// healthy is a deployment of two layers under steady traffic, as scraped: a number, or
// how much a counter grows from sample to sample. Counters that appear with their first
// event are there, for somebody once had one.
var healthy = map[string]string{
	// operator
	`olmoe_deployment_available{` + told + `}`: "1", `olmoe_deployment_ready{` + told + `}`: "1", `olmoe_deployment_stalled{` + told + `}`: "0",
	`olmoe_pool_experts{` + told + `}`: "128", `olmoe_pool_experts_covered{` + told + `}`: "128", `olmoe_pool_experts_sharing_machine{` + told + `}`: "0",
	`olmoe_pool_wanted_nodes{` + told + `}`: "2", `olmoe_pool_ready_nodes{` + told + `}`: "2", `olmoe_pool_placement_revision{` + told + `}`: "7",
	`olmoe_pool_balancedness{` + told + `}`: "0.97", `olmoe_pool_busiest_utilization{` + told + `}`: "0.6", `olmoe_pool_reading_ratio{` + told + `}`: "0.8",
	`olmoe_pool_balancer_ok{` + told + `}`: "1", `olmoe_pool_rebalanced_bytes_total{` + told + `}`: "+1000",
	leader: "1", watched: "1",
	`controller_runtime_reconcile_total{` + operator + `,controller="expertpool",result="success"}`: "+10",
	reconcileErrors: "+0",
	// router
	`olmoe_pod_info{` + router + `,role="router",version="v0.1.0",kernels="avx2"}`: "1",
	`olmoe_http_requests_total{` + router + `,path="/v1/completions",code="200"}`:  "+60",
	`olmoe_http_requests_total{` + router + `,path="/v1/completions",code="429"}`:  "+0",
	`olmoe_http_requests_total{` + router + `,path="/v1/completions",code="500"}`:  "+0",
	`olmoe_http_requests_total{` + router + `,path="/ready",code="503"}`:           "+6", // a start's
	`olmoe_http_stream_errors_total{` + router + `,code="500"}`:                    "+0",
	`olmoe_http_stream_errors_total{` + router + `,code="429"}`:                    "+0",
	`olmoe_http_time_to_first_token_seconds_bucket{` + router + `,le="1"}`:         "+30",
	`olmoe_http_time_to_first_token_seconds_bucket{` + router + `,le="+Inf"}`:      "+60",
	`olmoe_http_inter_token_seconds_bucket{` + router + `,le="0.1"}`:               "+3000",
	`olmoe_http_inter_token_seconds_bucket{` + router + `,le="+Inf"}`:              "+3000",
	`olmoe_http_prompt_tokens_total{` + router + `}`:                               "+6000",
	`olmoe_http_completion_tokens_total{` + router + `}`:                           "+3000",
	`olmoe_engine_running_sequences{` + router + `}`:                               "12",
	`olmoe_engine_queued_sequences{` + router + `}`:                                "0",
	`olmoe_engine_kv_pages{` + router + `}`:                                        "512",
	`olmoe_engine_kv_pages_used{` + router + `}`:                                   "200",
	`olmoe_engine_prompt_tokens_total{` + router + `}`:                             "+6000",
	`olmoe_engine_prefix_cached_tokens_total{` + router + `}`:                      "+2000",
	`olmoe_engine_failed_total{` + router + `}`:                                    "+0",
	`olmoe_engine_cancelled_total{` + router + `}`:                                 "+0",
	`olmoe_engine_preempted_total{` + router + `}`:                                 "+0",
	`olmoe_engine_step_seconds_bucket{` + router + `,le="0.1"}`:                    "+290",
	`olmoe_engine_step_seconds_bucket{` + router + `,le="+Inf"}`:                   "+300",
	`olmoe_dispatch_round_trip_seconds_bucket{` + router + `,le="0.01"}`:           "+9000",
	`olmoe_dispatch_round_trip_seconds_bucket{` + router + `,le="+Inf"}`:           "+9600",
	`olmoe_dispatch_round_trip_seconds_sum{` + router + `}`:                        "+30",
	`olmoe_dispatch_remote_seconds_total{` + router + `,doing="computing"}`:        "+20",
	`olmoe_dispatch_remote_seconds_total{` + router + `,doing="queued"}`:           "+4",
	`olmoe_dispatch_stream_errors_total{` + router + `,reason="BadFrame"}`:         "+0",
	`olmoe_dispatch_waiting_calls{` + router + `}`:                                 "0",
	`olmoe_dispatch_retries_total{` + router + `,reason="stream"}`:                 "+0",
	`olmoe_dispatch_hedges_total{` + router + `,outcome="won"}`:                    "+0",
	`olmoe_dispatch_serving_epoch{` + router + `}`:                                 "7",
	`process_cpu_seconds_total{` + router + `}`:                                    "+20",
	`process_resident_memory_bytes{` + router + `}`:                                "3e9",
}

func init() {
	for _, node := range []string{nodeA, nodeB} {
		maps.Copy(healthy, map[string]string{
			`olmoe_pod_info{` + node + `,role="expert-node",version="v0.1.0",kernels="avx2"}`:     "1",
			`olmoe_pod_info{` + node + `,role="expert-node",version="v0.1.0",kernels="portable"}`: "0", // there is no such series
			`olmoe_expert_utilization{` + node + `}`:                                              "0.6",
			`olmoe_expert_queue_seconds_mean{` + node + `}`:                                       "0.001",
			`olmoe_expert_held{` + node + `}`:                                                     "64",
			`olmoe_expert_loaded_bytes_total{` + node + `}`:                                       "+0",
			`olmoe_expert_bad_frames_total{` + node + `}`:                                         "+0",
			`olmoe_expert_errors_total{` + node + `,code="Unavailable"}`:                          "+0",
			`olmoe_expert_weights_cache_total{` + node + `,outcome="hit"}`:                        "+0",
			`process_cpu_seconds_total{` + node + `}`:                                             "+30",
			`process_resident_memory_bytes{` + node + `}`:                                         "7e9",
		})
		for layer := range 2 {
			maps.Copy(healthy, map[string]string{
				fmt.Sprintf(`olmoe_expert_rows_total{%s,layer="%d"}`, node, layer):               "+4000",
				fmt.Sprintf(`olmoe_expert_activations_total{%s,layer="%d"}`, node, layer):        "+1000",
				fmt.Sprintf(`olmoe_expert_layer_busy_seconds_total{%s,layer="%d"}`, node, layer): "+9",
			})
		}
	}
}

// load fills a Prometheus with a world, in which some series are others from sample number
// broken on, and some are there in a part of the samples alone.
func load(t *testing.T, world, others map[string]string, there func(series string, sample int) bool) *teststorage.TestStorage {
	t.Helper()
	for series := range others {
		if world[series] == "" {
			t.Fatalf("the world has no %s", series)
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "load %s\n", step)
	for _, series := range slices.Sorted(maps.Keys(world)) {
		list := values(t, world[series], cmp.Or(others[series], world[series]))
		for i := range list {
			if there != nil && !there(series, i) {
				list[i] = "stale" // as Prometheus marks a target that is gone
			}
		}
		fmt.Fprintf(&text, "  %s %s\n", series, strings.Join(list, " "))
	}
	return promqltest.LoadedStorage(t, text.String())
}

// values are the samples of a series, of a gauge or of a counter that grows, first as it is,
// then as it is when broken.
func values(t *testing.T, is, then string) (list []string) {
	sum := 0.0
	for i := range samples {
		v := is
		if i >= broken {
			v = then
		}
		if grow, ok := strings.CutPrefix(v, "+"); ok {
			n, err := strconv.ParseFloat(grow, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
			v = strconv.FormatFloat(sum, 'f', -1, 64)
		}
		list = append(list, v)
	}
	return list
}

func engine(t *testing.T) *promql.Engine {
	return promqltest.NewTestEngine(t, false, 0, 1e6)
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// reference is what docs/reference/metrics.md says of each metric: its labels. That page is
// itself checked against the programs.
func reference(t *testing.T) map[string][]string {
	t.Helper()
	code := regexp.MustCompile("`([a-z_]+)`")
	out := map[string][]string{}
	for line := range strings.Lines(read(t, "docs", "reference", "metrics.md")) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		var labels []string
		if len(cells) > 4 {
			for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
				labels = append(labels, m[1])
			}
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			out[m[1]] = labels
		}
	}
	if len(out) < 50 {
		t.Fatalf("the reference has %d metrics: the test does not read it", len(out))
	}
	return out
}

// foreign are metrics that are not ours.
var foreign = regexp.MustCompile(`^(process_|controller_runtime_|leader_election_)`)

// TestTheWorldIsReal: each series of the healthy world has a name and labels that the
// reference has.
func TestTheWorldIsReal(t *testing.T) {
	known := reference(t)
	label := regexp.MustCompile(`([a-z_]+)="`)
	for series := range healthy {
		name, rest, _ := strings.Cut(series, "{")
		if foreign.MatchString(name) {
			continue
		}
		var labels []string
		for _, m := range label.FindAllStringSubmatch(rest, -1) {
			if !slices.Contains([]string{"namespace", "pool", "job", "pod", "le"}, m[1]) {
				labels = append(labels, m[1])
			}
		}
		want, ok := known[base(name)]
		slices.Sort(labels)
		slices.Sort(want)
		if !ok || !slices.Equal(labels, want) {
			t.Errorf("%s: the reference has labels %v (%v)", series, want, ok)
		}
	}
}

// base is the metric that a series of a histogram belongs to.
func base(name string) string {
	return regexp.MustCompile(`_seconds_(bucket|sum|count)$`).ReplaceAllString(name, "_seconds")
}
