package local

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child with this in its environment announces the address in it, asks there how it has
// to end, and does.
const announces = "OLMOE_TEST_ANNOUNCES"

func init() {
	at := os.Getenv(announces)
	if at == "" {
		return
	}
	_ = Announce(Announcement{Role: "expert-node", HTTP: at})
	resp, err := http.Get("http://" + at + "/end") //nolint:gosec // the test's own server
	if err != nil {
		os.Exit(9)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusGone {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	os.Exit(resp.StatusCode - http.StatusOK) // 202: 2, 203: 3
}

// newParent answers for a child: whether it is ready, and, once it was asked that at each
// start, how it ends.
func newParent(t *testing.T, ready, end int) {
	t.Helper()
	asked := make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(ready)
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	mux.HandleFunc("/end", func(w http.ResponseWriter, _ *http.Request) {
		<-asked
		w.WriteHeader(end)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Setenv(announces, srv.Listener.Addr().String())
}

func newChild(said *bytes.Buffer) *process {
	args := []string{"expert-node", "--name", "expert-node-7"}
	p := newProcess(args, func(Announcement) []string { return args }, said)
	p.pause, p.most = time.Millisecond, 2
	return p
}

// Each start again is told, with the process and how it ended; and so is the end of it all,
// with a hint that fits it.
func TestRestartsAreTold(t *testing.T) {
	for _, c := range []struct {
		name          string
		ready, end    int
		how, hint     string
		starts        int
		servedAlready bool
	}{
		{"fails", 503, 203, "exit status 3", " (its last words are above)", 2, false},
		{"is killed", 503, 410, "signal: killed", ": is there enough memory?", 2, false},
		{"ends well", 503, 200, "exit status 0", "", 2, false},
		{"fails when the deployment has served", 200, 203, "exit status 3", " (its last words are above)", 2, true},
		{"hopeless", 503, 202, "exit status 2", " (its last words are above)", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			newParent(t, c.ready, c.end)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var said bytes.Buffer
			p := newChild(&said)
			p.served.Store(c.servedAlready)
			if err, want := fmt.Sprint(p.keep(ctx)), "the expert-node-7 process ended: "+c.how+c.hint; err != want {
				t.Errorf("%s, want %s", err, want)
			}
			if want := strings.Repeat("olmoe: expert-node-7 ended ("+c.how+"); it is started again\n", c.starts-1); said.String() != want {
				t.Errorf("told:\n%swant:\n%s", &said, want)
			}
		})
	}
}

// What is killed from outside after the deployment has served is told, too, and has no end.
func TestKillsAreTold(t *testing.T) {
	newParent(t, http.StatusServiceUnavailable, http.StatusGone)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	kills := 0
	var said bytes.Buffer
	p := newChild(&said)
	p.served.Store(true)
	args := p.args
	p.again = func(Announcement) []string {
		if kills++; kills > p.most {
			cancel()
		}
		return args
	}
	if err := p.keep(ctx); err != nil {
		t.Error(err)
	}
	if n := strings.Count(said.String(), "olmoe: expert-node-7 ended (signal: killed); it is started again\n"); n != p.most+1 {
		t.Errorf("%d kills told, want %d: %s", n, p.most+1, &said)
	}
}

// A start has failed until the process was ready for a while, whatever it took (invariant 8).
func TestSlowStartsAreFailures(t *testing.T) {
	newParent(t, http.StatusServiceUnavailable, http.StatusNonAuthoritativeInfo)
	slow := newChild(new(bytes.Buffer)).once(t.Context(), nil)
	if slow.ready != 0 || exitCode(slow.end) != 3 || slow.at.Role != "expert-node" {
		t.Errorf("never ready: %+v", slow)
	}
	for ready, want := range map[time.Duration]int{0: 4, healthyAfter: 4, healthyAfter + 1: 1} {
		slow.ready = ready
		if got := newChild(nil).count(3, slow); got != want {
			t.Errorf("ready for %s: %d failures in a row, want %d", ready, got, want)
		}
	}
}

// How long a process has been ready is seen.
func TestReadyIsSeen(t *testing.T) {
	newParent(t, http.StatusOK, http.StatusNonAuthoritativeInfo)
	for range 20 { // its end may come before its readiness is seen
		if newChild(new(bytes.Buffer)).once(t.Context(), nil).ready > 0 {
			return
		}
	}
	t.Error("a process that said it is ready was never seen to be")
}

// A process that is started after the deployment was ready has not served.
func TestLaterProcessesHaveNotServed(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no process runs for long
	p := &Pool{opts: Options{Stderr: new(bytes.Buffer)}, failed: make(chan error, 2)}
	first := p.Keep(ctx, []string{"router"}, nil)
	close(first.ready)
	if err := p.AwaitReady(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := p.Keep(ctx, []string{"router"}, nil)
	p.Wait()
	if !first.served.Load() || second.served.Load() {
		t.Errorf("served: %v and %v, want the first alone", first.served.Load(), second.served.Load())
	}
}
