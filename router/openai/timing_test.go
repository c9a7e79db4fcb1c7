package openai_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// wantCounts looks for lines in the metrics of a server of the test's bubble.
func (s server) wantCounts(t *testing.T, lines ...string) {
	t.Helper()
	page := httptest.NewRecorder()
	s.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	wantLines(t, page.Body.String(), lines...)
}

// Tokens are timed where they are drawn: a client that does not read for a while makes no
// time long, and none short of what waited for it.
func TestTokensAreTimedWhereTheyAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pace, tokens = 10 * time.Millisecond, 100
		s := serve(t, func(o *openai.Options) { o.Generator = &fake.Engine{Delay: pace, Ahead: tokens} })
		client := s.ask(t, "POST "+completions, `{"prompt":[1],"max_tokens":100,"ignore_eos":true,"stream":true,"n":2}`)
		time.Sleep(openai.DefaultWriteTimeout * 2 / 3)
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		s.wantCounts(t,
			`olmoe_http_inter_token_seconds_bucket{le="0.008"} 0`,
			`olmoe_http_inter_token_seconds_bucket{le="0.016"} 198`,
			`olmoe_http_inter_token_seconds_bucket{le="+Inf"} 198`,
			`olmoe_http_time_to_first_token_seconds_bucket{le="0.02"} 2`,
			`olmoe_http_time_to_first_token_seconds_bucket{le="+Inf"} 2`,
			`olmoe_http_request_seconds_sum{path="/v1/completions"} 20`)
	})
}

// The time of a request ends with its client's patience, where that ends first: no other
// time knows of it.
func TestWhoGivesUpIsTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(o *openai.Options) { o.Generator = &fake.Engine{Delay: time.Hour} })
		client := s.ask(t, "POST "+completions, `{"prompt":[1]}`)
		time.Sleep(5 * time.Minute)
		client.Close()
		synctest.Wait()
		s.wantCounts(t,
			`olmoe_http_request_seconds_sum{path="/v1/completions"} 300`,
			`olmoe_http_request_seconds_count{path="/v1/completions"} 1`,
			`olmoe_http_time_to_first_token_seconds_count 0`)
	})
}
