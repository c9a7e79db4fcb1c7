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

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// A client that sends its body slowly is told so and dropped; nothing hangs.
func TestSlowBody(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.BodyTimeout = 50 * time.Millisecond })
	conn := dial(t, url)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", completions)
	wantError(t, decode(t, 408, answered(t, conn)), "", "request_timeout", "50ms")
}

// Nor does a body that nobody reads keep a connection: the answer comes at
// once, the connection ends.
func TestSlowBodyThatIsNotRead(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.BodyTimeout, o.APIKey = 50*time.Millisecond, "k" })
	for path, status := range map[string]int{"/health": 405, "/nope": 404, completions: 401} {
		conn := dial(t, url)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", path)
		r := bufio.NewReader(conn)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if res.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, status)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("%s: the connection stays open: %v", path, err)
		}
		res.Body.Close()
	}
}

// The bound of the body does not bound the answer.
func TestSlowAnswerOutlivesTheBodyTimeout(t *testing.T) {
	eng := &fake.Engine{Script: "abcdefgh", Delay: 20 * time.Millisecond}
	url := start(t, eng, func(o *openai.Options) { o.BodyTimeout = 50 * time.Millisecond })
	got := call(t, 200, url+completions, `{"prompt":"q","temperature":0}`)
	want(t, at(t, got, "choices", 0, "text"), `"abcdefgh"`)
}

func TestSlowHeaders(t *testing.T) {
	srv := openai.NewHTTPServer("", openai.New(openai.Options{Model: "m"}).Handler(), openai.DefaultMaxRequests)
	if srv.ReadHeaderTimeout <= 0 || srv.IdleTimeout <= 0 || srv.MaxHeaderBytes <= 0 {
		t.Fatalf("unbounded: %+v", srv)
	}
	if srv.WriteTimeout != 0 || srv.ReadTimeout != 0 {
		t.Fatal("a timeout for the whole answer would cut long streams")
	}
	srv.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	conn := dial(t, "http://"+l.Addr().String())
	fmt.Fprint(conn, "POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
