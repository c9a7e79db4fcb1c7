package expertnode

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/memnet"
)

// A connection that nothing comes on, between requests or within one, is closed.
func TestQuietConnectionsAreClosed(t *testing.T) {
	for name, c := range map[string]struct {
		request     string
		least, most time.Duration
	}{
		"between requests": {"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", time.Minute, httpIdle},
		"within a body":    {"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 0, httpTimeout + httpIdle},
		"within a header":  {"GET /health HTTP/1.1\r\nHost", 0, httpTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := serveHTTP(t)
				client := connect(t, listener)
				fmt.Fprint(client, c.request)
				begin := time.Now()
				_ = client.SetReadDeadline(begin.Add(time.Hour))
				if _, err := io.Copy(io.Discard, client); err != nil {
					t.Fatalf("after %v: %v, want the end of the connection", time.Since(begin), err)
				}
				if open := time.Since(begin); open < c.least || open > c.most {
					t.Errorf("it was open for %v, want %v to %v", open, c.least, c.most)
				}
			})
		})
	}
}

// However many connections somebody opens, a bounded number is kept, and a probe is answered.
func TestHTTPConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := serveHTTP(t)
		var open atomic.Int32
		for range 1000 {
			client := connect(t, listener)
			open.Add(1)
			go func() {
				_, _ = io.Copy(io.Discard, client)
				open.Add(-1)
			}()
		}
		synctest.Wait()
		if n := open.Load(); n < 100 || n > 300 {
			t.Errorf("%d of 1000 silent connections are open", n)
		}
		client := connect(t, listener)
		fmt.Fprint(client, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(client), nil); err != nil || res.StatusCode != http.StatusOK || res.Body.Close() != nil {
			t.Errorf("a probe: %v, %v", res, err)
		}
	})
}

// serveHTTP serves probes and metrics for connections of the test's bubble.
func serveHTTP(t *testing.T) memnet.Listener {
	t.Helper()
	listener := make(memnet.Listener)
	server := (&node{registry: prometheus.NewRegistry()}).httpServer()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener
}

func connect(t *testing.T, l memnet.Listener) (client net.Conn) {
	t.Helper()
	client, end := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	l <- end
	return client
}
