package openai_test

import (
	"bufio"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// However many connections somebody opens, the server keeps a bounded number of them, answers
// probes on new ones and cuts off nothing that it works on.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(o *openai.Options) { o.Generator = &fake.Engine{Delay: time.Hour} })
		working := s.ask(t, "POST /v1/completions", `{"prompt":"q","max_tokens":3}`)
		const many = 10 * openai.DefaultMaxRequests
		var open atomic.Int32
		for range many {
			client := s.connect(t)
			open.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, client)
				open.Add(-1)
			}()
		}
		synctest.Wait()
		if n := open.Load(); n < 2*openai.DefaultMaxRequests || n > 4*openai.DefaultMaxRequests {
			t.Errorf("%d of %d silent connections are open", n, many)
		}
		for _, c := range []struct {
			what string
			conn io.Reader
		}{{"a probe", s.ask(t, "GET /health", "")}, {"the request before the flood", working}} {
			res, err := http.ReadResponse(bufio.NewReader(c.conn), nil)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v, %v", c.what, res, err)
			}
			_ = res.Body.Close()
		}
	})
}
