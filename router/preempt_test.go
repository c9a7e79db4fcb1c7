package router_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router"
)

// choice is what of a choice does not change.
type choice struct {
	Text       string          `json:"text"`
	Finish     string          `json:"finish_reason"`
	StopReason string          `json:"stop_reason"`
	Logprobs   json.RawMessage `json:"logprobs"`
}

const choices = 6

// choose asks for choices of a prompt of two pages and a bit, with stop strings if there are any.
func (r *running) choose(t *testing.T, stops []string) (all []choice) {
	t.Helper()
	prompt := make([]int, 36)
	for i := range prompt {
		prompt[i] = i * i % 500
	}
	body, err := json.Marshal(map[string]any{"prompt": prompt, "n": choices, "seed": 1, "temperature": 0.8, "max_tokens": 120,
		"ignore_eos": true, "logprobs": 2, "stop": stops, "include_stop_str_in_output": true})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Choices []choice `json:"choices"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Choices) != choices {
		t.Fatalf("status %d, %d choices, %v", resp.StatusCode, len(answer.Choices), err)
	}
	return answer.Choices
}

// Choices that share their prompt's pages, some of which are preempted in the middle of their
// stop strings (nearly all of their texts), end as in a cache with room for all (invariant 1).
func TestAStopStringSpansAPreemption(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	with := func(pages int64) *running {
		r := start(t, dir, file, func(o *router.Options) { o.OneProcess, o.PrefixCache, o.KVBytes = true, true, pages*16<<10 })
		r.await(t, "/ready", http.StatusOK)
		return r
	}
	roomy, tight := with(1000), with(24) // 10 for the longest, of which 2 are all choices'
	var stops []string
	for _, c := range roomy.choose(t, nil) {
		text := []rune(c.Text)
		stops = append(stops, string(text[4:len(text)-20]))
	}
	want, got := roomy.choose(t, stops), tight.choose(t, stops)
	if !reflect.DeepEqual(want, got) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for i, c := range got {
		if c.Finish != "stop" || c.StopReason != stops[i] || !strings.HasSuffix(c.Text, stops[i]) {
			t.Errorf("choice %d ends with %s, %q, not at its stop string", i, c.Finish, c.StopReason)
		}
	}
	tight.awaitMetric(t, "olmoe_engine_kv_pages_used 0")
	metrics := tight.await(t, "/metrics", http.StatusOK)
	for _, none := range []string{"olmoe_engine_preempted_total 0", "olmoe_engine_prefix_cached_tokens_total 0"} {
		if strings.Contains(metrics, none+"\n") {
			t.Errorf("%s: the test shows nothing", none)
		}
	}
}
