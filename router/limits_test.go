package router_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
)

// More sequences than may wait are never taken, not even by an idle router: that is told
// at once, for to try again would not help.
func TestMoreSequencesThanTheQueueHolds(t *testing.T) {
	dir := model(t)
	r := start(t, dir, filepath.Join(t.TempDir(), "placement.json"))
	r.await(t, "/v1/models", http.StatusOK)
	for body, param := range map[string]string{
		`{"prompt": [1], "n": 9}`:                                            "n",
		`{"prompt": [[1],[1],[1],[1],[1]], "n": 2}`:                          "n",
		`{"prompt": [[1],[1],[1],[1],[1],[1],[1],[1],[1]], "max_tokens": 1}`: "prompt",
	} {
		resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), `"param":"`+param+`"`) || !strings.Contains(string(text), "8") {
			t.Errorf("%s: status %d, %s, %v; want a 400 about %s that names the limit of 8", body, resp.StatusCode, text, err, param)
		}
	}
}

// A KV cache smaller than the model's context bounds it: what cannot end is refused before
// any work, and the longest answer that is not asked for by number ends where the cache does.
func TestTheCacheBoundsTheContext(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	node(t, dir, file)
	r := start(t, dir, file, func(o *router.Options) { o.Limits.KVBytes = 3 * 16 << 10 }) // three pages of 16 positions
	r.await(t, "/ready", http.StatusOK)
	if body := r.await(t, "/v1/models", http.StatusOK); !strings.Contains(body, `"max_model_len":48`) {
		t.Errorf("models: %s, want max_model_len 48", body)
	}
	prompt := "[1" + strings.Repeat(",2", 39) + "]"
	for body, c := range map[string]struct {
		status int
		part   string
	}{
		`{"ignore_eos": true, "prompt": ` + prompt + `, "max_tokens": 9}`:     {400, "context_length_exceeded"},
		`{"ignore_eos": true, "prompt": ` + prompt + `, "max_tokens": 8}`:     {200, `"completion_tokens":8`},
		`{"ignore_eos": true, "prompt": [1` + strings.Repeat(",2", 48) + `]}`: {400, "context_length_exceeded"},
	} {
		resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !strings.Contains(string(text), c.part) {
			t.Errorf("%s: status %d, %s, %v; want %d with %s", body, resp.StatusCode, text, err, c.status, c.part)
		}
	}
}

// An unanswerable request fails after the bound, with a reason; the router lives.
func TestExpertsThatNeverComeAreABoundedWait(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file)
	r.await(t, "/v1/models", http.StatusOK)
	began := time.Now()
	resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": [1], "max_tokens": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if took := time.Since(began); resp.StatusCode != http.StatusServiceUnavailable || took < 4*time.Second || took > 15*time.Second {
		t.Errorf("status %d after %s, want 503 after about 5 s", resp.StatusCode, took)
	}
	node(t, dir, file)
	r.await(t, "/ready", http.StatusOK)
}

// A longer queue is a longer queue: requests have places for as long as it lets them wait.
func TestAsManyRequestsAsTheQueueHolds(t *testing.T) {
	const queued = openai.DefaultMaxRequests + 20
	r := start(t, model(t), filepath.Join(t.TempDir(), "placement.json"), func(o *router.Options) {
		o.MaxSequences, o.MaxQueue, o.MaxWait = 1, queued+1, time.Hour
	})
	r.await(t, "/v1/models", http.StatusOK)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range queued + 1 { // one of them runs, and waits for experts
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/v1/completions", strings.NewReader(`{"prompt": [1], "max_tokens": 1}`))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_ = resp.Body.Close()
				t.Errorf("status %d while there is room in the queue", resp.StatusCode)
			}
		}()
	}
	r.awaitMetric(t, "olmoe_engine_queued_sequences "+strconv.Itoa(queued))
}
