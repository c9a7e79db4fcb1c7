package openai_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func TestModels(t *testing.T) {
	url := start(t, &fake.Engine{})
	list := get(t, 200, url+"/v1/models")
	model := at(t, list, "data", 0).(object)
	for _, id := range []string{"org/fake", "org%2Ffake"} {
		one := get(t, 200, url+"/v1/models/"+id)
		if one["created"] != model["created"] {
			t.Errorf("created %v, then %v", model["created"], one["created"])
		}
		delete(one, "created")
		want(t, one, `{"id":"org/fake","object":"model","owned_by":"olmoe","root":"org/fake","parent":null,"max_model_len":128}`)
	}
	want(t, list["object"], `"list"`)
	for _, id := range []string{"other", "org", "org/fake/x", "", strings.Repeat("%80", 81), strings.Repeat("é", 81)} {
		wantError(t, get(t, 404, url+"/v1/models/"+id), "model", "model_not_found", "does not exist")
	}
}

func TestTokenize(t *testing.T) {
	url := start(t, &fake.Engine{})
	want(t, call(t, 200, url+"/tokenize", `{"model":"org/fake","prompt":"ab é","add_special_tokens":false}`),
		`{"count":3,"max_model_len":128,"tokens":[260,32,262],"token_strs":null}`)
	want(t, call(t, 200, url+"/tokenize", `{"prompt":"ab é","return_token_strs":true}`),
		`{"count":3,"max_model_len":128,"tokens":[260,32,262],"token_strs":["ab"," ","é"]}`)
	want(t, call(t, 200, url+"/tokenize", `{"prompt":""}`), `{"count":0,"max_model_len":128,"tokens":[],"token_strs":null}`)
	want(t, at(t, call(t, 200, url+"/tokenize", `{"messages":[{"role":"user","content":"é"}]}`), "count"), "26")
	want(t, at(t, call(t, 200, url+"/tokenize", `{"messages":[{"role":"user","content":"é"}],"add_generation_prompt":false}`), "count"), "15")
	// null is not given.
	want(t, at(t, call(t, 200, url+"/tokenize", `{"prompt":"ab é","messages":null}`), "count"), "3")
	want(t, at(t, call(t, 200, url+"/tokenize", `{"messages":[{"role":"user","content":"é"}],"prompt":null}`), "count"), "26")
	// What a template would drop is refused by chat and shown by /tokenize.
	want(t, at(t, call(t, 200, url+"/tokenize", `{"messages":[{"role":"tool","content":"é"}]}`), "count"), "26")
	want(t, at(t, call(t, 200, url+"/tokenize", `{"messages":[],"continue_final_message":true}`), "count"), "0")
	long := call(t, 200, url+"/tokenize", `{"prompt":"`+strings.Repeat("x", 1000)+`"}`)
	want(t, long["count"], "1000") // longer than the context: counting it is the point
}

func TestDetokenize(t *testing.T) {
	url := start(t, &fake.Engine{})
	want(t, call(t, 200, url+"/detokenize", `{"tokens":[260,32,262,300,319]}`), `{"prompt":"ab é<eos>"}`)
	want(t, call(t, 200, url+"/detokenize", `{"model":"org/fake","tokens":[]}`), `{"prompt":""}`)
	want(t, call(t, 200, url+"/detokenize", `{"tokens":[240]}`), `{"prompt":"\ufffd"}`)
}

func TestProbes(t *testing.T) {
	var notReady error
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.Ready = func() error { return notReady }; o.APIKey = "k" })
	want(t, get(t, 200, url+"/health"), `{"status":"ok"}`)
	want(t, get(t, 200, url+"/ready"), `{"status":"ready"}`)
	want(t, get(t, 200, url+"/version"), `{"version":"1.2.3"}`)
	notReady = errors.New("3 of 1024 experts have no owner")
	want(t, get(t, 200, url+"/health"), `{"status":"ok"}`)
	want(t, get(t, 503, url+"/ready"), `{"status":"not ready","reason":"3 of 1024 experts have no owner"}`)
}

func TestWrongMethodAndPath(t *testing.T) {
	url := start(t, &fake.Engine{})
	for _, c := range []struct {
		method, path, allow string
		status              int
	}{
		{"GET", completions, "POST", 405}, {"PUT", chat, "POST", 405}, {"POST", "/v1/models", "GET, HEAD", 405},
		{"DELETE", "/v1/models/org/fake", "GET, HEAD", 405}, {"POST", "/health", "GET, HEAD", 405},
		{"GET", "/v1/embeddings", "", 404}, {"POST", "/", "", 404}, {"GET", "/metrics", "", 404}, {"POST", "/v1/completions/", "", 404},
		{"POST", "//v1/chat/completions", "", 404}, {"POST", "/v1/./completions", "", 404}, {"GET", "/v1/../health", "", 404}, {"GET", "//", "", 404},
		{"GET", "/v1/models/org//fake", "", 404},
	} {
		res := do(t, request(t, c.method, url+c.path, "{}"))
		got := decode(t, c.status, res)
		if a := res.Header.Get("Allow"); a != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, a, c.allow)
		}
		want(t, at(t, got, "error", "type"), `"invalid_request_error"`)
		if res.Header.Get("x-request-id") == "" {
			t.Errorf("%s %s: no request id", c.method, c.path)
		}
	}
}

// While there is no model yet, all but probes and metrics is refused as the API refuses.
func TestWhileTheModelLoads(t *testing.T) {
	reg := prometheus.NewRegistry()
	o := openai.Options{Model: "m", Ready: func() error { return errors.New("loading") }, Version: "1.2.3", APIKey: "k",
		Metrics: openai.NewMetrics(reg), MetricsPage: promhttp.HandlerFor(reg, promhttp.HandlerOpts{})}
	srv := httptest.NewServer(openai.New(o).Handler())
	defer srv.Close()
	for path, method := range map[string]string{completions: "POST", chat: "POST", "/tokenize": "POST", "/v1/models": "GET", "/debug/load?window=15s": "GET"} {
		req := request(t, method, srv.URL+path, `{}`)
		req.Header.Set("Authorization", "Bearer k")
		res := do(t, req)
		if res.Header.Get("Retry-After") == "" || res.Header.Get("x-request-id") == "" {
			t.Errorf("%s: headers %v", path, res.Header)
		}
		wantError(t, decode(t, 503, res), "", "service_unavailable", "is being loaded")
	}
	get(t, 200, srv.URL+"/health")
	get(t, 503, srv.URL+"/ready")
	decode(t, 405, post(t, srv.URL+"/health", "{}"))
	// What comes after it counts on.
	o.Generator, o.Tokenizer, o.Context, o.Vocab, o.APIKey = &fake.Engine{Script: "x"}, fake.Tokenizer{}, testContext, fake.Vocab, ""
	after := httptest.NewServer(openai.New(o).Handler())
	defer after.Close()
	call(t, 200, after.URL+completions, `{"prompt":"a"}`)
	wantMetric(t, after.URL, `olmoe_http_requests_total{code="503",path="/v1/completions"} 1`, `olmoe_http_requests_total{code="200",path="/v1/completions"} 1`)
}

func TestContentTypes(t *testing.T) {
	url := start(t, &fake.Engine{Script: "x"})
	for _, c := range []struct {
		kind, encoding, origin string
		status                 int
	}{
		{"application/json", "", "", 200}, {"application/json; charset=utf-8", "", "", 200}, {"", "", "", 200},
		{"application/x-www-form-urlencoded", "", "", 200}, // curl -d
		{"application/vnd.api+json", "", "", 200}, {"application/json", "identity", "", 200},
		{"text/plain", "", "", 415}, {"multipart/form-data; boundary=x", "", "", 415}, {"json", "", "", 415}, {"application/json", "gzip", "", 415},
		// A browser, for any page: what it sends without asking is refused.
		{"application/x-www-form-urlencoded", "", "https://elsewhere.example", 415}, {"", "", "null", 415}, {"", "", "http://localhost:3000", 415},
		{"text/plain; application/json", "", "null", 415}, {"application/json", "", "https://ui.example", 200},
	} {
		req := request(t, http.MethodPost, url+completions, `{"prompt":"a"}`)
		if c.kind != "" {
			req.Header.Set("Content-Type", c.kind)
		}
		if c.encoding != "" {
			req.Header.Set("Content-Encoding", c.encoding)
		}
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		if res := do(t, req); res.StatusCode != c.status {
			t.Errorf("%q %q %q: status %d, want %d", c.kind, c.encoding, c.origin, res.StatusCode, c.status)
		}
	}
}

func TestAPIKey(t *testing.T) {
	url := start(t, &fake.Engine{Script: "x"}, func(o *openai.Options) { o.APIKey = "secret" })
	for auth, status := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer ": 401, "secret": 401, "Basic secret": 401, "Bearer secret": 200, "bearer secret": 200, "bearer Secret": 401} {
		for _, path := range []string{completions, "/tokenize"} {
			req := request(t, http.MethodPost, url+path, `{"prompt":"a"}`)
			req.Header.Set("Authorization", auth)
			got := decode(t, status, do(t, req))
			if status == 401 {
				wantError(t, got, "", "invalid_api_key", "Incorrect API key")
			}
		}
	}
	get(t, 401, url+"/v1/models")
}

func TestRequestID(t *testing.T) {
	url := start(t, &fake.Engine{})
	for sent, echoed := range map[string]bool{"abc-123": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "a b": false, "": false} {
		req := request(t, http.MethodGet, url+"/health", "")
		req.Header.Set("x-request-id", sent)
		got := do(t, req).Header.Get("x-request-id")
		if echoed != (got == sent) || !echoed && !strings.HasPrefix(got, "req_") {
			t.Errorf("sent %q, got %q", sent, got)
		}
	}
}

// withMetrics serves the API's own metrics.
func withMetrics(o *openai.Options) {
	reg := prometheus.NewRegistry()
	o.Metrics, o.MetricsPage = openai.NewMetrics(reg), promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

func metricsText(t *testing.T, url string) string {
	t.Helper()
	text, err := io.ReadAll(do(t, request(t, http.MethodGet, url+"/metrics", "")).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantMetric looks for lines in /metrics.
func wantMetric(t *testing.T, url string, lines ...string) {
	t.Helper()
	wantLines(t, metricsText(t, url), lines...)
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

func TestMetrics(t *testing.T) {
	url := start(t, &fake.Engine{Script: "abc"}, withMetrics)
	call(t, 200, url+completions, `{"prompt":"xyz","temperature":0,"n":2}`)
	call(t, 400, url+completions, `{"prompt":5}`)
	get(t, 404, url+"/v1/models/nope")
	get(t, 404, url+"/no/such/path")
	wantMetric(t, url,
		`olmoe_http_requests_total{code="200",path="/v1/completions"} 1`,
		`olmoe_http_requests_total{code="400",path="/v1/completions"} 1`,
		`olmoe_http_requests_total{code="404",path="/v1/models/{id...}"} 1`,
		`olmoe_http_requests_total{code="404",path="other"} 1`,
		`olmoe_http_requests_total{code="429",path="/v1/completions"} 0`, // from the start
		`olmoe_http_requests_total{code="429",path="/tokenize"} 0`,
		`olmoe_http_requests_in_flight 1`,
		`olmoe_http_request_seconds_count{path="/v1/completions"} 2`,
		`olmoe_http_request_seconds_count{path="/tokenize"} 0`,
		`olmoe_http_prompt_tokens_total 3`,
		`olmoe_http_completion_tokens_total 4`,
		`olmoe_http_time_to_first_token_seconds_count 2`,
		`olmoe_http_inter_token_seconds_count 2`,
	)
}

// A checkpoint without a tokenizer serves token ids.
func TestWithoutTokenizer(t *testing.T) {
	url := start(t, &fake.Engine{Script: "abc"}, func(o *openai.Options) { o.Tokenizer = nil })
	got := call(t, 200, url+completions, `{"prompt":[1,2],"temperature":0,"return_token_ids":true,"logprobs":1,"echo":true}`)
	want(t, at(t, got, "choices", 0, "text"), `""`)
	want(t, at(t, got, "choices", 0, "token_ids"), `[261,300]`)
	want(t, at(t, got, "choices", 0, "logprobs", "tokens"), `["token_id:1","token_id:2","token_id:261","token_id:300"]`)
	wantError(t, call(t, 400, url+completions, `{"prompt":"text"}`), "prompt", "", "no tokenizer.json")
	wantError(t, call(t, 400, url+completions, `{"prompt":[1],"stop":"x"}`), "stop", "", "no tokenizer.json")
	wantError(t, call(t, 400, url+chat, `{"messages":[{"role":"user","content":"x"}]}`), "messages", "", "no tokenizer.json")
	wantError(t, call(t, 400, url+"/tokenize", `{"prompt":"x"}`), "prompt", "", "no tokenizer.json")
	wantError(t, call(t, 400, url+"/tokenize", `{"messages":[{"role":"user","content":"x"}]}`), "messages", "", "no tokenizer.json")
	wantError(t, call(t, 400, url+"/detokenize", `{"tokens":[1]}`), "tokens", "", "no tokenizer.json")
}

// A base model without a chat template serves completions.
func TestWithoutChatTemplate(t *testing.T) {
	url := start(t, &fake.Engine{Script: "abc"}, func(o *openai.Options) { o.Chat = nil })
	wantError(t, call(t, 400, url+chat, `{"messages":[{"role":"user","content":"x"}]}`), "messages", "", "no chat template")
	call(t, 200, url+completions, `{"prompt":"x"}`)
}
