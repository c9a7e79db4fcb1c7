package openai_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// What the engine refuses, before anything was sent.
func TestEngineRefusals(t *testing.T) {
	for _, c := range []struct {
		err              error
		status           int
		kind, code, part string
		retry            bool
		param            string
	}{
		{engine.ErrQueueFull, 429, "rate_limit_error", "rate_limit_exceeded", "queue is full", true, ""},
		{engine.ErrQueueWait, 429, "rate_limit_error", "rate_limit_exceeded", "waited too long", true, ""},
		{engine.ErrDraining, 503, "server_error", "service_unavailable", "shutting down", true, ""},
		{fmt.Errorf("%w: secret file", engine.ErrFailed), 503, "server_error", "service_unavailable", "cannot serve on and restarts", true, ""},
		{fmt.Errorf("layer 3: %w", engine.ErrNotReady), 503, "server_error", "service_unavailable", "experts", true, ""},
		{engine.ErrContextFull, 400, "invalid_request_error", "context_length_exceeded", "context", false, "prompt"},
		{fmt.Errorf("%w: 99", engine.ErrTokenRange), 400, "invalid_request_error", "", "vocabulary: 99", false, "prompt"},
		{fmt.Errorf("secret path /data/x"), 500, "server_error", "internal_error", "had an error", false, ""},
	} {
		for _, stream := range []string{"true", "false"} {
			for name, eng := range map[string]*fake.Engine{
				"at once":             {Refuse: c.err},
				"the second of three": {Refuse: c.err, RefuseFrom: 1, Delay: time.Hour},
				"by event":            {Fail: c.err, FailAt: 1},
			} {
				t.Run(fmt.Sprintf("%v/%s/stream=%s", c.err, name, stream), func(t *testing.T) {
					url := start(t, eng)
					res := post(t, url+completions, `{"prompt":"a","n":3,"stream":`+stream+`}`)
					if got := res.Header.Get("Retry-After") != ""; got != c.retry {
						t.Errorf("Retry-After given: %v", got)
					}
					body := decode(t, c.status, res)
					wantError(t, body, c.param, c.code, c.part)
					want(t, at(t, body, "error", "type"), fmt.Sprintf("%q", c.kind))
					if strings.Contains(fmt.Sprint(body), "secret") {
						t.Errorf("an internal error leaked: %v", body)
					}
					waitFor(t, "all sequences to be freed", func() bool { return eng.Active.Load() == 0 })
				})
			}
		}
	}
}
