package router_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/router"
)

// Whatever ends a router, and when, what it has under way ends in order: a stream by an
// event, another request by its status.
func TestFailuresAreToldToClients(t *testing.T) {
	for _, c := range []struct {
		name  string
		delay time.Duration // of the drain
		stop  bool
	}{{"while it serves", 0, false}, {"before it drains", time.Minute, true}, {"while it drains", 0, true}} {
		t.Run(c.name, func(t *testing.T) {
			dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
			r := start(t, dir, file, func(o *router.Options) {
				o.OneProcess, o.DrainDelay, o.MaxSequences, o.MaxQueue, o.KVBytes = true, c.delay, streams, waiting, 256<<20
			})
			r.await(t, "/ready", http.StatusOK)
			ends := r.busy(t)
			if c.stop {
				r.stop()
			}
			if err := os.Truncate(filepath.Join(dir, "model.safetensors"), 4096); err != nil {
				t.Fatal(err)
			}
			for range streams + waiting {
				if end := <-ends; end != "" {
					t.Errorf("a request ended with %q", end)
				}
			}
			if err := <-r.done; !errors.Is(err, checkpoint.ErrChanged) {
				t.Errorf("Run: %v, want the change of the model", err)
			}
		})
	}
}

// What busy has under way.
const streams, waiting = 32, 8

// busy gives a router streams, and requests that wait behind them. Each tells how it ended,
// "" if by an error in order.
func (r *running) busy(t *testing.T) (ends <-chan string) {
	t.Helper()
	out := make(chan string, streams+waiting)
	for range streams {
		body := r.stream(t, 2000)
		go func() {
			all, err := io.ReadAll(body)
			if last := string(all[max(0, len(all)-300):]); err != nil || !strings.Contains(last, `"code":"service_unavailable"`) || !strings.Contains(last, "cannot serve on") {
				out <- fmt.Sprintf("%s, %v", last, err)
				return
			}
			out <- ""
		}()
	}
	for range waiting {
		go func() {
			resp, err := http.Post(r.url+"/v1/completions", "application/json", strings.NewReader(`{"prompt": [1], "max_tokens": 1}`))
			switch {
			case err != nil:
				out <- err.Error()
			case resp.Body.Close() != nil || resp.StatusCode != http.StatusServiceUnavailable:
				out <- resp.Status
			default:
				out <- ""
			}
		}()
	}
	r.awaitMetric(t, "olmoe_engine_queued_sequences 8")
	return out
}
