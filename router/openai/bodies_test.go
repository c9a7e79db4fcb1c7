package openai_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// fewBodies leaves room for two of a thousand bytes.
func fewBodies(o *openai.Options) { o.MaxBody, o.MaxBodies, o.BodyTimeout = 1000, 2, time.Minute }

// A body is held until it is read: who waits in the queue holds none.
func TestWaitingRequestsHoldNoBodies(t *testing.T) {
	eng := &fake.Engine{Delay: time.Hour}
	url := start(t, eng, fewBodies)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	body := `{"prompt":"a","user":"` + strings.Repeat("x", 900) + `"}`
	for i := range int32(10) {
		go statusOf(t, ctx, url+completions, body)
		waitFor(t, "it to be queued", func() bool { return eng.Active.Load() == i+1 })
	}
	call(t, 200, url+"/tokenize", `{"prompt":"a"}`)
}

// beginBodies opens connections that send so much of a body of a thousand bytes.
func beginBodies(t *testing.T, url string, n, size int) (conns []net.Conn) {
	t.Helper()
	for range n {
		conn := dial(t, url)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%s", completions, strings.Repeat(" ", size))
		conns = append(conns, conn)
	}
	return conns
}

// Nor does a body that is announced and does not come: it shuts nobody out.
func TestAnnouncedBodiesTakeNoRoom(t *testing.T) {
	url := start(t, &fake.Engine{}, fewBodies, withMetrics)
	beginBodies(t, url, 50, 1)
	waitFor(t, "all to be there", func() bool { return strings.Contains(metricsText(t, url), "olmoe_http_requests_in_flight 51\n") })
	call(t, 200, url+completions, `{"prompt":"a","max_tokens":1}`)
}

// What has come is bounded: for more there is a 429, until others are read or given up.
func TestBodiesAreBoundedTogether(t *testing.T) {
	url := start(t, &fake.Engine{}, fewBodies)
	conns := beginBodies(t, url, 2, 999)
	large := `{"prompt":"a","max_tokens":1,"user":"` + strings.Repeat("x", 900) + `"}`
	var res answer
	waitFor(t, "both to have come", func() bool { res = post(t, url+completions, large); return res.StatusCode != http.StatusOK })
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantError(t, decode(t, 429, res), "", "rate_limit_exceeded", "reading as many requests")
	conns[0].Close()
	waitFor(t, "room", func() bool { return statusOf(t, context.Background(), url+completions, large) == http.StatusOK })
}

// Who waits for a turn at the tokenizer counts until it has had it: its connection may not be
// closed for another.
func TestWhoWaitsForATurnIsBounded(t *testing.T) {
	tok := &counting{proceed: make(chan struct{})}
	url := start(t, &fake.Engine{}, fewBodies, func(o *openai.Options) { o.Tokenizer, o.MaxTokenize, o.Context = tok, 1, 1000 })
	status := make(chan int)
	for range 3 {
		go func() { status <- statusOf(t, context.Background(), url+completions, `{"prompt":"a","max_tokens":1}`) }()
	}
	if got := <-status; got != http.StatusTooManyRequests {
		t.Errorf("status %d for the third, want 429", got)
	}
	close(tok.proceed)
	for range 2 {
		if got := <-status; got != http.StatusOK {
			t.Errorf("status %d for one that had its turn", got)
		}
	}
}
