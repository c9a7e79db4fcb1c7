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

	"github.com/olmoe-serving/olmoe-operator/internal/memnet"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// slowly reads 16 KiB at a time, with a pause before each.
type slowly struct {
	io.Reader
	pause time.Duration
}

func (s slowly) Read(b []byte) (int, error) {
	time.Sleep(s.pause)
	return s.Reader.Read(b[:min(len(b), 16<<10)])
}

const (
	fairly   = 200 * time.Millisecond // 80 KiB/s
	tooSlow  = 2 * time.Second        // 8 KiB/s
	muchText = 1_000_000              // bytes of a prompt, whose answer has four times as many
)

// server is one with the limits as they are, for connections of the test's bubble.
type server struct {
	http.Handler
	listener memnet.Listener
}

func serve(t *testing.T, change ...func(*openai.Options)) server {
	t.Helper()
	large := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4*muchText)) })
	o := openai.Options{Generator: &fake.Engine{}, Tokenizer: fake.Tokenizer{}, Model: "m", Context: testContext, Vocab: fake.Vocab, Load: large}
	withMetrics(&o)
	for _, f := range change {
		f(&o)
	}
	s := server{openai.New(o).Handler(), make(memnet.Listener)}
	srv := openai.NewHTTPServer("", s.Handler, openai.DefaultMaxRequests)
	go func() { _ = srv.Serve(s.listener) }()
	t.Cleanup(func() { srv.Close() })
	return s
}

func (s server) connect(t *testing.T) (client net.Conn) {
	t.Helper()
	client, end := net.Pipe()
	t.Cleanup(func() { client.Close() })
	s.listener <- end
	return client
}

func (s server) ask(t *testing.T, what, body string) (client net.Conn) {
	t.Helper()
	client = s.connect(t)
	fmt.Fprintf(client, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", what, len(body), body)
	return client
}

// tokenize sends a prompt, whose answer is in one piece.
func (s server) tokenize(t *testing.T, size int) (client net.Conn) {
	t.Helper()
	return s.ask(t, "POST /tokenize", `{"prompt":"`+strings.Repeat("x", size)+`"}`)
}

func (s server) status(t *testing.T, size int) int {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(s.tokenize(t, size)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// The time for an answer grows with it: who reads slowly, but all the time, gets it all.
func TestSlowReaderGetsTheWholeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := serve(t).tokenize(t, muchText)
		begin := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(slowly{client, fairly}), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		want(t, decode(t, 200, answer{res.StatusCode, res.Header, res.Body})["count"], "1000000")
		if took := time.Since(begin); took < openai.DefaultWriteTimeout*3/2 {
			t.Errorf("took %v: too short to tell", took)
		}
	})
}

// Who stops in the middle of an answer is cut off, and has not got a 200, whatever made it.
func TestReaderThatStopsIsCounted(t *testing.T) {
	for path, ask := range map[string]func(*testing.T, server) net.Conn{
		"/tokenize":   func(t *testing.T, s server) net.Conn { return s.tokenize(t, muchText) },
		"/debug/load": func(t *testing.T, s server) net.Conn { return s.ask(t, "GET /debug/load", "") },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			client := ask(t, s)
			if _, err := io.CopyN(io.Discard, slowly{client, fairly}, 1<<20); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4 * openai.DefaultWriteTimeout)
			if rest, err := io.ReadAll(client); err != nil || len(rest) != 0 {
				t.Errorf("%s: %d bytes more, %v; want a connection that is cut", path, len(rest), err)
			}
			page := httptest.NewRecorder()
			s.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if line := `olmoe_http_requests_total{code="499",path="` + path + `"} 1`; !strings.Contains(page.Body.String(), line+"\n") {
				t.Errorf("no %s in\n%s", line, page.Body)
			}
		})
	}
}

// Readers that are too slow for what they asked for do not keep their places from others,
// and nobody waits for one without a limit.
func TestSlowReadersOfTextsLeaveTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		for range openai.DefaultMaxTokenize {
			client := s.tokenize(t, muchText)
			go func() { _, _ = io.Copy(io.Discard, slowly{client, tooSlow}) }()
		}
		synctest.Wait()
		begin := time.Now()
		if got := s.status(t, 1); got != 429 {
			t.Errorf("status %d while all places are taken, want 429", got)
		}
		if took := time.Since(begin); took > openai.DefaultTurnTimeout {
			t.Errorf("answered after %v", took)
		}
		time.Sleep(2 * time.Minute)
		begin = time.Now()
		if got, took := s.status(t, 1), time.Since(begin); got != 200 || took > 0 {
			t.Errorf("status %d after %v, want the places to be free", got, took)
		}
	})
}
