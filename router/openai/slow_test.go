package openai_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// pipes is a listener for connections in memory, whose time a test can hold.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// slowly reads 16 KiB in two seconds: a steady 64 kbit/s.
type slowly struct{ io.Reader }

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Second)
	return s.Reader.Read(b[:min(len(b), 16<<10)])
}

// askForMuch begins an answer of some 4 MB, in one piece, with the limits as they are.
// Both ends are of the test's bubble.
func askForMuch(t *testing.T) (client net.Conn, h http.Handler) {
	t.Helper()
	o := openai.Options{Generator: &fake.Engine{}, Tokenizer: fake.Tokenizer{}, Model: "m", Context: testContext, Vocab: fake.Vocab}
	withMetrics(&o)
	h = openai.New(o).Handler()
	srv, listener := openai.NewHTTPServer("", h), make(pipes)
	go func() { _ = srv.Serve(listener) }()
	t.Cleanup(func() { srv.Close() })
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close() })
	listener <- server
	body := `{"prompt":"` + strings.Repeat("x", 1_000_000) + `"}`
	fmt.Fprintf(client, "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return client, h
}

// The deadline is of a piece of an answer, not of the whole: who reads slowly, but
// all the time, gets it all, however long that takes.
func TestSlowReaderGetsTheWholeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := askForMuch(t)
		begin := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(slowly{client}), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		want(t, decode(t, 200, answer{res.StatusCode, res.Header, res.Body})["count"], "1000000")
		if took := time.Since(begin); took < 5*openai.DefaultWriteTimeout {
			t.Errorf("took %v: too short to tell", took)
		}
	})
}

// Who stops in the middle of an answer is cut off, and has not got a 200.
func TestReaderThatStopsIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, h := askForMuch(t)
		if _, err := io.CopyN(io.Discard, slowly{client}, 1<<20); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * openai.DefaultWriteTimeout)
		if rest, err := io.ReadAll(client); err != nil || len(rest) != 0 {
			t.Errorf("%d bytes more, %v; want a connection that is cut", len(rest), err)
		}
		page := httptest.NewRecorder()
		h.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if line := `olmoe_http_requests_total{code="499",path="/tokenize"} 1`; !strings.Contains(page.Body.String(), line+"\n") {
			t.Errorf("no %s in\n%s", line, page.Body)
		}
	})
}
