package openai_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// smallBuffers makes a connection fill up after a few events.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(4096)
	}
	return conn, err
}

// A stream whose client does not read ends after the write timeout and frees
// its work.
func TestClientThatDoesNotRead(t *testing.T) {
	eng := &fake.Engine{Context: 1 << 30}
	srv := httptest.NewUnstartedServer(openai.New(openai.Options{Generator: eng, Model: "m", Context: 1 << 30, Vocab: fake.Vocab,
		WriteTimeout: 50 * time.Millisecond}).Handler())
	srv.Listener = smallBuffers{srv.Listener}
	srv.Start()
	defer srv.Close()
	conn := dial(t, srv.URL)
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	body := `{"prompt":[1],"stream":true,"ignore_eos":true,"max_tokens":100000000,"return_token_ids":true}`
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", completions, len(body), body)
	waitFor(t, "the sequence to start", func() bool { return eng.Active.Load() == 1 })
	waitFor(t, "the sequence to be freed", func() bool { return eng.Active.Load() == 0 })
}

// Nor does an answer that is not read hold its place, whatever made it, and a drain
// does not wait for it.
func TestAnswerThatIsNotRead(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			_, _ = w.Write(make([]byte, 10_000))
		}
	})
	srv := httptest.NewUnstartedServer(openai.New(openai.Options{Generator: &fake.Engine{}, Tokenizer: fake.Tokenizer{}, Model: "m",
		Context: testContext, Vocab: fake.Vocab, WriteTimeout: 50 * time.Millisecond, MetricsPage: page, Load: page}).Handler())
	srv.Listener = smallBuffers{srv.Listener}
	srv.Start()
	defer srv.Close()
	tokens := `{"tokens":[` + strings.Repeat("97,", 1_000_000) + `97]}`
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/tokenize", `{"prompt":"` + strings.Repeat("x", 1_000_000) + `"}`}, {"POST", "/detokenize", tokens},
		{"GET", "/metrics", ""}, {"GET", "/debug/load", ""},
	} {
		conn := dial(t, srv.URL)
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", c.method, c.path, len(c.body), c.body)
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // the answer has begun
			t.Fatalf("%s: %v", c.path, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Config.Shutdown(ctx); err != nil {
		t.Errorf("clients that do not read hold up the drain: %v", err)
		srv.CloseClientConnections()
	}
}
