package openai_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// Retry-After grows with what the first in the queue has waited, to a minute.
func TestRetryAfterFollowsTheQueue(t *testing.T) {
	for waited, want := range map[time.Duration]string{
		0: "1", 1900 * time.Millisecond: "1", 17 * time.Second: "17", time.Hour: "60",
	} {
		for _, why := range []error{engine.ErrQueueFull, engine.ErrQueueWait} {
			url := start(t, &fake.Engine{Refuse: &engine.BusyError{Err: why, Waited: waited}})
			res := post(t, url+completions, `{"prompt":"a"}`)
			if got := res.Header.Get("Retry-After"); res.StatusCode != http.StatusTooManyRequests || got != want {
				t.Errorf("%v, the first has waited %s: status %d, Retry-After %q, want %q", why, waited, res.StatusCode, got, want)
			}
		}
	}
}

// A stream that said that it waits, and waited in vain, ends with an error event.
func TestAStreamThatWaitedInVain(t *testing.T) {
	eng := &fake.Engine{Delay: 60 * time.Millisecond, FailAt: 1, Fail: &engine.BusyError{Err: engine.ErrQueueWait}}
	url := start(t, eng, withMetrics, func(o *openai.Options) { o.KeepAlive = 10 * time.Millisecond })
	wantMetric(t, url, `olmoe_http_stream_errors_total{code="429"} 0`)
	list, done := events(t, post(t, url+completions, `{"prompt":"x","stream":true}`))
	if done || len(list) != 1 {
		t.Fatalf("[DONE]: %v, events %v", done, list)
	}
	wantError(t, list[0], "", "rate_limit_exceeded", "waited too long")
	wantMetric(t, url, `olmoe_http_stream_errors_total{code="429"} 1`)
}
