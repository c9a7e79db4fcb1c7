package openai_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// A body may be as large as the limit, told beforehand or not; one byte more is refused.
func TestBodyAtItsLimit(t *testing.T) {
	const limit = 1 << 20
	url := start(t, &fake.Engine{Script: "x"}, func(o *openai.Options) { o.MaxBody = limit })
	const head = `{"prompt":"a","temperature":0`
	for _, chunked := range []bool{false, true} {
		for size, status := range map[int]int{limit: 200, limit + 1: 413} {
			body := head + strings.Repeat(" ", size-len(head)-1) + "}"
			req := request(t, http.MethodPost, url+completions, body)
			if chunked {
				req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), -1
			}
			got := decode(t, status, do(t, req))
			if status == 413 {
				wantError(t, got, "", "request_too_large", "larger than 1 MiB, this")
			}
		}
	}
}

// A request may ask for exactly as many log-probabilities as the limit, also where each
// token has its own only.
func TestLogprobsAtTheirLimit(t *testing.T) {
	url := start(t, &fake.Engine{Script: "x", Context: 16384}, func(o *openai.Options) { o.Context = 16384 })
	for _, c := range []struct{ n, logprobs, most int }{{64, 15, 1024}, {128, 0, 8192}} {
		for tokens, status := range map[int]int{c.most: 200, c.most + 1: 400} {
			got := call(t, status, url+completions, fmt.Sprintf(`{"prompt":"x","n":%d,"logprobs":%d,"max_tokens":%d,"temperature":0}`, c.n, c.logprobs, tokens))
			if status == 400 {
				wantError(t, got, "logprobs", "", "more than the 1048576 a request may have")
			}
		}
	}
}

// Of several faults the same one is named each time.
func TestOneOfSeveralFaultsIsNamed(t *testing.T) {
	url := start(t, &fake.Engine{})
	for body, part := range map[string]string{
		`{"prompt":"a","logit_bias":{"c":1,"b":1,"a":1,"d":1}}`:                                    `the key "a"`,
		`{"prompt":"a","guided_regex":"x","guided_json":"x","guided_choice":"x","cache_salt":"x"}`: "cache_salt",
	} {
		for range 10 {
			got := call(t, 400, url+completions, body)
			if message, _ := at(t, got, "error", "message").(string); !strings.Contains(message, part) {
				t.Fatalf("%s: %q, want the fault of %s", body, message, part)
			}
		}
	}
}

// What a client sent is quoted whole up to 80 bytes.
func TestQuotesAreClipped(t *testing.T) {
	url := start(t, &fake.Engine{})
	for n, quoted := range map[int]string{80: strings.Repeat("r", 80) + `"`, 81: strings.Repeat("r", 80) + `…"`} {
		got := call(t, 400, url+chat, `{"messages":[{"role":"`+strings.Repeat("r", n)+`","content":"x"}]}`)
		wantError(t, got, "messages[0].role", "", `is "`+quoted)
	}
}

// A server that is not told when it is ready always is.
func TestReadyByDefault(t *testing.T) {
	want(t, get(t, 200, start(t, &fake.Engine{})+"/ready"), `{"status":"ready"}`)
}

// An answer without a token has no first one and counts none.
func TestNoTokenIsCounted(t *testing.T) {
	url := start(t, &fake.Engine{Script: "abc"}, withMetrics)
	call(t, 200, url+completions, `{"prompt":"xyz","max_tokens":0,"echo":true}`)
	wantMetric(t, url, "olmoe_http_completion_tokens_total 0", "olmoe_http_time_to_first_token_seconds_count 0")
}

// Lists may be as long as their limits.
func TestListsAtTheirLimits(t *testing.T) {
	url := start(t, &fake.Engine{Script: "x"})
	stops := strings.Repeat(`"`+strings.Repeat("s", 1024)+`",`, 15) + `"` + strings.Repeat("s", 1024) + `"`
	ids := strings.Repeat("1,", 255) + "1"
	for _, field := range []string{`"stop":[` + stops + `]`, `"stop_token_ids":[` + ids + `]`} {
		call(t, 200, url+completions, `{"prompt":"a","temperature":0,`+field+`}`)
	}
}
