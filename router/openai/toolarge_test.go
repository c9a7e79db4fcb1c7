package openai_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func TestBodyTooLarge(t *testing.T) {
	url := start(t, &fake.Engine{})
	for _, path := range []string{completions, chat, "/tokenize", "/detokenize"} {
		got := call(t, 413, url+path, `{"prompt":"`+strings.Repeat("x", openai.DefaultMaxBody)+`"}`)
		wantError(t, got, "", "request_too_large", "4 MiB")
	}
}

// A client that sends everything before it reads gets the reason, not a broken
// connection; one that asks first is told at once.
func TestBodyTooLargeReachesTheClient(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.MaxBody = 1000 })
	conn := dial(t, url)
	const size = 20 << 20
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", completions, size)
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatalf("the server hung up: %v", err)
	}
	wantTooLarge(t, conn)
	conn = dial(t, url)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", completions, size)
	wantTooLarge(t, conn)
}

func wantTooLarge(t *testing.T, conn net.Conn) {
	t.Helper()
	wantError(t, decode(t, 413, answered(t, conn)), "", "request_too_large", "1000 bytes")
}

// A body of unknown length is bounded too.
func TestBodyTooLargeChunked(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.MaxBody = 1000 })
	body := io.MultiReader(strings.NewReader(`{"prompt":"`), strings.NewReader(strings.Repeat("x", 5000)))
	req := request(t, http.MethodPost, url+completions, "")
	req.Body, req.ContentLength = io.NopCloser(body), -1 // chunked
	wantError(t, decode(t, 413, do(t, req)), "", "request_too_large", "1000 bytes")
}

func TestLargestBodyPasses(t *testing.T) {
	url := start(t, &fake.Engine{})
	ids := strings.Repeat("1,", 2_000_000)
	got := call(t, 400, url+completions, `{"prompt":[`+ids+`1]}`)
	wantError(t, got, "prompt", "context_length_exceeded", "2000001 tokens")
}
