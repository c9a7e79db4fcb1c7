package expertnode

import (
	"fmt"
	"io"
	"net"
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
				listener := make(memnet.Listener)
				server := (&node{registry: prometheus.NewRegistry()}).httpServer()
				go func() { _ = server.Serve(listener) }()
				t.Cleanup(func() { _ = server.Close() })
				client, end := net.Pipe()
				t.Cleanup(func() { _ = client.Close() })
				listener <- end
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
