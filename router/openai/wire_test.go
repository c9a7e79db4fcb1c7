package openai_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// halfClose says that the client sends no more; it still reads.
func halfClose(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}

// answered is what a server writes to a connection.
func answered(t *testing.T, conn net.Conn) answer {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return answer{res.StatusCode, res.Header, res.Body}
}

// A body that breaks off, or is not chunked as it says, is the client's mistake
// and told so: an empty 200 would pass for an answer. What breaks off is counted as hung
// up: only who closed no more than its own half can read that it was a mistake.
func TestBrokenBodyIsTold(t *testing.T) {
	for name, c := range map[string]struct{ head, body, counted string }{
		"bad chunk":                {"Transfer-Encoding: chunked", "ZZ\r\n{}", "400"},
		"shorter than it says":     {"Content-Length: 100", `{"prompt":`, "499"},
		"chunks without their end": {"Transfer-Encoding: chunked", "5\r\n{\"pro\r\n", "499"},
	} {
		t.Run(name, func(t *testing.T) {
			url := start(t, &fake.Engine{}, withMetrics)
			conn := dial(t, url)
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", completions, c.head, c.body)
			halfClose(t, conn)
			wantError(t, decode(t, 400, answered(t, conn)), "", "", "The request body could not be read")
			wantMetric(t, url, `olmoe_http_requests_total{code="`+c.counted+`",path="/v1/completions"} 1`)
		})
	}
}

// Who is gone for good in the middle of its body is no bad request either.
func TestHangingUpWithinTheBodyIsCounted(t *testing.T) {
	url := start(t, &fake.Engine{}, withMetrics)
	conn := dial(t, url)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", completions)
	waitFor(t, "the request to be there", func() bool { return strings.Contains(metricsText(t, url), "olmoe_http_requests_in_flight 2\n") })
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // a reset
		t.Fatal(err)
	}
	conn.Close()
	waitFor(t, "it to be counted", func() bool {
		return strings.Contains(metricsText(t, url), `olmoe_http_requests_total{code="499",path="/v1/completions"} 1`)
	})
}

// A client that closes its half of the connection has hung up, as far as a server
// can tell. It gets no answer at all, and no end of one: an empty 200, or a stream
// that ends in order, would pass for a whole answer.
func TestHalfClosedConnectionIsCut(t *testing.T) {
	var log logbook
	url := start(t, &fake.Engine{Script: "abc", Delay: 50 * time.Millisecond}, log.into, withMetrics)
	for _, body := range []string{`{"prompt":"x"}`, `{"prompt":"x","stream":true}`} {
		conn := dial(t, url)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", completions, len(body), body)
		halfClose(t, conn)
		if got, err := io.ReadAll(conn); err != nil || len(got) != 0 {
			t.Errorf("%s: got %q, %v; want a connection that is cut", body, got, err)
		}
	}
	wantMetric(t, url, `olmoe_http_requests_total{code="499",path="/v1/completions"} 2`)
	if l := log.read(); len(l) != 0 {
		t.Errorf("logged %q", l)
	}
}
