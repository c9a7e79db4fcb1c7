package router_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/router"
)

// A client that does not take its answer is cut off at the end of a drain, and that is what
// the drain says: no sequence was ended. It names no flag, for "olmoe up" has none for that.
func TestDrainCutsWhoDoesNotRead(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file, func(o *router.Options) { o.DrainDelay, o.DrainTimeout = 0, time.Millisecond })
	r.await(t, "/v1/models", http.StatusOK)
	r.largeAnswer(t)
	r.stop()
	if err := <-r.done; err == nil || strings.Contains(err.Error(), "sequences") || !strings.HasPrefix(err.Error(), "after a drain of 1ms: answers that clients had not taken") {
		t.Errorf("Run: %v, want an error that says what was cut off", err)
	}
}

// largeAnswer asks for one and does not take it.
func (r *running) largeAnswer(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	body := `{"prompt":"` + strings.Repeat("x", 4_000_000) + `","return_token_strs":true}`
	fmt.Fprintf(conn, "POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the answer has begun
		t.Fatal(err)
	}
}

// Weights that change while a router drains end it before its time, with the error. A client
// that takes no answer does not hold it for long.
func TestModelThatChangesEndsTheDrain(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file, func(o *router.Options) { o.DrainDelay = 0 })
	r.await(t, "/v1/models", http.StatusOK)
	r.largeAnswer(t)
	r.stop()
	changed := time.Now()
	if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 4096); err != nil {
		t.Fatal(err)
	}
	if err := <-r.done; !errors.Is(err, checkpoint.ErrChanged) {
		t.Errorf("Run: %v, want the change of the model", err)
	}
	if took := time.Since(changed); took > 15*time.Second {
		t.Errorf("the drain went on for %s", took)
	}
}
