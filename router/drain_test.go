package router_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router"
)

// A client that does not take its answer is cut off at the end of a drain, and that is what
// the drain says: no sequence was ended.
func TestDrainCutsWhoDoesNotRead(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file, func(o *router.Options) { o.DrainDelay, o.DrainTimeout = 0, time.Millisecond })
	r.await(t, "/v1/models", http.StatusOK)
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"prompt":"` + strings.Repeat("x", 4_000_000) + `","return_token_strs":true}`
	fmt.Fprintf(conn, "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the answer has begun
		t.Fatal(err)
	}
	r.stop()
	if err := <-r.done; err == nil || strings.Contains(err.Error(), "sequences") || !strings.Contains(err.Error(), "not taken") {
		t.Errorf("Run: %v, want an error that says what was cut off", err)
	}
}
