package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

func topNode() *load.Node {
	n := &load.Node{Name: "node-a", Seconds: 60, ExpertsPerToken: 1, Counts: *load.NewCounts(2, 4)}
	n.Rows[1][2] = 600
	return n
}

// topServer answers as a router does; each status is used once, then 200.
func topServer(t *testing.T, statuses ...int) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := int(requests.Add(1)) - 1
		if i < len(statuses) && statuses[i] != http.StatusOK {
			w.WriteHeader(statuses[i])
			fmt.Fprint(w, `{"error":{"message":"loading the model","type":"server_error","param":null,"code":null}}`)
			return
		}
		if r.URL.Path != "/debug/load" || r.URL.Query().Get("window") != "15s" || r.Header.Get("Authorization") != "Bearer k" {
			t.Errorf("request %s, key %q", r.URL, r.Header.Get("Authorization"))
		}
		report := load.NewReport([]*load.Node{topNode()}, nil)
		report.WindowSeconds = 15
		_ = json.NewEncoder(w).Encode(report)
	}))
	t.Cleanup(s.Close)
	t.Setenv("OLMOE_API_KEY", "k")
	return s.URL, requests
}

func runTop(ctx context.Context, args ...string) (string, error) {
	text, _, err := runTopWith(ctx, args...)
	return text, err
}

// runTopWith also returns what the command tells beside its output.
func runTopWith(ctx context.Context, args ...string) (text, problems string, err error) {
	var out, beside bytes.Buffer
	cmd := newTopCommand()
	cmd.SetArgs(append(args, "--window", "15s"))
	cmd.SetOut(&out)
	cmd.SetErr(&beside)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(ctx)
	return out.String(), beside.String(), err
}

func TestTopOnce(t *testing.T) {
	url, _ := topServer(t)
	text, err := runTop(t.Context(), "--once", "--url", url)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{url, "1 of 1 nodes", "window 15 s", "hottest expert: layer 1 expert 2, 100.0 %", "\nnode-a "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("control characters in a pipe")
	}
}

func TestTopJSON(t *testing.T) {
	url, _ := topServer(t)
	text, err := runTop(t.Context(), "--once", "--json", "--url", url)
	if err != nil {
		t.Fatal(err)
	}
	var r load.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.WindowSeconds != 15 || len(r.Nodes) != 1 || r.Nodes[0].Rows[1][2] != 600 || strings.Count(text, "\n") != 1 {
		t.Errorf("printed %s", text)
	}
}

// A router that is away for a moment is looked at again, and an interrupt is no error.
func TestTopGoesOn(t *testing.T) {
	for name, args := range map[string][]string{"1 of 1 nodes": nil, `"window_seconds":15`: {"--json"}} {
		url, requests := topServer(t, 200, 503, 503)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for requests.Load() < 5 {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		text, problems, err := runTopWith(ctx, append(args, "--url", url, "--interval", "200ms")...)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(text+problems, "not current: "+url+": status 503: loading the model") != 2 || strings.Count(text, name) < 2 {
			t.Errorf("printed\n%sand beside it\n%s", text, problems)
		}
		for line := range strings.Lines(text) {
			if args != nil && !json.Valid([]byte(line)) {
				t.Errorf("no JSON: %s", line)
			}
		}
	}
}

func TestTopErrors(t *testing.T) {
	for status, want := range map[int]string{
		401: "set OLMOE_API_KEY", 404: "is it the address of a router", 503: "status 503: loading the model",
	} {
		url, _ := topServer(t, status)
		if _, err := runTop(t.Context(), "--url", url); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), url) {
			t.Errorf("status %d gives %v, want %q", status, err, want)
		}
	}
	for want, args := range map[string][]string{
		"cannot reach a router: ":        {"--url", "http://127.0.0.1:1"},
		"--url 127.0.0.1:8000":           {"--url", "127.0.0.1:8000"},
		"--interval 1ms":                 {"--interval", "1ms"},
		"--layer -2":                     {"--layer", "-2"},
		"kubectl exec -it deploy/NAME-r": {"--url", "http://127.0.0.1:1"},
	} {
		if _, err := runTop(t.Context(), args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gives %v, want %q", args, err, want)
		}
	}
	f := topFlags{window: time.Hour, interval: time.Second}
	if err := f.check(); !errors.Is(err, errFlags) || !strings.Contains(err.Error(), "give 1s to 2m0s") {
		t.Errorf("a window of an hour gives %v", err)
	}
}

func TestDumbTerminalsGetLines(t *testing.T) {
	for term, want := range map[string]bool{"dumb": false, "xterm-256color": true, "": true} {
		if draws(term) != want {
			t.Errorf("TERM=%q: draws in place: %v", term, !want)
		}
	}
}

// The terminal gets a second screen, frames in place and its old screen back.
func TestTerminalIsRestored(t *testing.T) {
	var out bytes.Buffer
	term := &terminal{out: &out, fd: -1, live: true}
	for range 2 {
		if err := term.draw([]string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
	}
	term.restore()
	frame := home + "a" + clearLine + "\r\nb" + clearLine + clearBelow
	if want := enterScreen + frame + frame + leaveScreen; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
	if w, h := term.size(); w != pipeWidth || h != 0 {
		t.Errorf("size %d x %d", w, h)
	}
	out.Reset()
	(&terminal{out: &out}).restore()
	if out.Len() != 0 {
		t.Errorf("restored what was never changed: %q", out.String())
	}
}

// An answer without an end is not read to its end (invariant 8).
func TestTopReadsABoundedAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		blanks := bytes.Repeat([]byte(" "), 1<<20)
		for range maxTopBytes / len(blanks) {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
		_, _ = w.Write([]byte(` {"nodes": []}`))
	}))
	defer s.Close()
	c := topClient{url: s.URL, window: time.Minute}
	if r, err := c.fetch(t.Context()); err == nil {
		t.Errorf("read %+v behind %d bytes", r, maxTopBytes)
	}
}
