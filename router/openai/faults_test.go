package openai_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// logbook collects what the server logs.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (b *logbook) into(o *openai.Options) {
	o.Log = funcr.New(func(_, args string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lines = append(b.lines, args)
	}, funcr.Options{})
}

func (b *logbook) read() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines
}

// An error in the middle of a stream is its last event; there is no [DONE].
func TestErrorInMidStream(t *testing.T) {
	for _, path := range []string{completions, chat} {
		url := start(t, &fake.Engine{Script: "abcdef", FailAt: 3, Fail: engine.ErrNotReady})
		list, done := events(t, post(t, url+path, body(path, `"stream":true,"temperature":0`)))
		if done {
			t.Error("a broken stream ended in [DONE]")
		}
		wantError(t, list[len(list)-1], "", "service_unavailable", "experts")
		for _, e := range list[:len(list)-1] {
			if at(t, e, "choices", 0, "finish_reason") != nil {
				t.Errorf("a finish reason before the error: %v", e)
			}
		}
	}
}

// body is a small valid request of either endpoint.
func body(path, fields string) string {
	if path == chat {
		return `{"messages":[{"role":"user","content":"x"}],` + fields + `}`
	}
	return `{"prompt":"x",` + fields + `}`
}

// Without streaming a late error is a plain error answer: never half a text.
func TestLateErrorWithoutStreaming(t *testing.T) {
	url := start(t, &fake.Engine{Script: "abcdef", FailAt: 3, Fail: engine.ErrNotReady})
	wantError(t, call(t, 503, url+completions, `{"prompt":"x","temperature":0}`), "", "service_unavailable", "experts")
}

// Our faults are logged in full and told in general words.
func TestFaultsAreLogged(t *testing.T) {
	for name, eng := range map[string]*fake.Engine{
		"error":             {Fail: errors.New("the disk is on fire"), FailAt: 1},
		"ended early":       {Vanish: true, FailAt: 2},
		"panic":             {Panic: true},
		"error, mid-stream": {Fail: errors.New("the disk is on fire"), FailAt: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var log logbook
			url := start(t, eng, log.into)
			if strings.Contains(name, "stream") {
				list, done := events(t, post(t, url+completions, `{"prompt":"x","stream":true}`))
				wantError(t, list[len(list)-1], "", "internal_error", "had an error")
				if done {
					t.Error("[DONE] after an error")
				}
			} else {
				wantError(t, call(t, 500, url+completions, `{"prompt":"x"}`), "", "internal_error", "had an error")
			}
			if l := log.read(); len(l) != 1 || !strings.Contains(l[0], "requestID") {
				t.Errorf("logged %q", l)
			}
			get(t, 200, url+"/health") // and the server goes on
		})
	}
}

// A client that hangs up frees its work, streamed or not, in the queue or
// between tokens.
func TestClientHangsUp(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		body  string
	}{
		"not streamed":      {time.Millisecond, `{"prompt":"x","ignore_eos":true,"max_tokens":1000000000,"n":2}`},
		"streamed":          {time.Millisecond, `{"prompt":"x","ignore_eos":true,"max_tokens":1000000000,"n":2,"stream":true}`},
		"waiting":           {time.Hour, `{"prompt":"x","n":2}`},
		"waiting, streamed": {time.Hour, `{"prompt":"x","n":2,"stream":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			eng := &fake.Engine{Delay: c.delay, Context: 1 << 31}
			url := start(t, eng, func(o *openai.Options) { o.Context = 1 << 31 })
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+completions, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				if res, err := http.DefaultClient.Do(req); err == nil {
					_, _ = bufio.NewReader(res.Body).ReadString('\n')
					<-ctx.Done()
					res.Body.Close()
				}
			}()
			waitFor(t, "the sequences to start", func() bool { return eng.Active.Load() == 2 })
			cancel()
			waitFor(t, "the sequences to be freed", func() bool { return eng.Active.Load() == 0 })
		})
	}
}

// While nothing comes a stream has empty lines, so that proxies keep it; its answer is the same, also
// to clients that trim what they read at once before they put it together, as vLLM's benchmark does.
func TestKeepAlive(t *testing.T) {
	url := start(t, &fake.Engine{Script: "a", Delay: 60 * time.Millisecond},
		func(o *openai.Options) { o.KeepAlive = 10 * time.Millisecond })
	res := post(t, url+completions, `{"prompt":"x","temperature":0,"stream":true}`)
	const events = 3
	newlines, trimmed := 0, ""
	for chunk, err := make([]byte, 4096), error(nil); err == nil; {
		var n int
		n, err = res.Body.Read(chunk)
		newlines += bytes.Count(chunk[:n], []byte("\n"))
		trimmed += string(bytes.TrimSpace(chunk[:n]))
	}
	if lines := newlines - 2*events; lines < 3 {
		t.Errorf("%d empty lines in 120 ms", lines)
	}
	if n := strings.Count(trimmed, "data: "); n != events || !strings.HasPrefix(trimmed, "data: {") || !strings.HasSuffix(trimmed, "data: [DONE]") {
		t.Errorf("trimmed: %q", trimmed)
	}
}

// Tokens without a text are no events, so empty lines are sent as if nothing had come.
func TestKeepAliveOfTokensWithoutText(t *testing.T) {
	url := start(t, &fake.Engine{Delay: 5 * time.Millisecond}, func(o *openai.Options) { o.KeepAlive = 20 * time.Millisecond })
	res := post(t, url+completions, fmt.Sprintf(`{"prompt":"x","temperature":0,"stream":true,"ignore_eos":true,"max_tokens":50,"logit_bias":{"%d":100}}`, fake.EOS))
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(text) - len(strings.TrimLeft(string(text), "\n")); n < 3 {
		t.Errorf("%d empty lines in 250 ms without an event: %s", n, text)
	}
}

// After an empty line the status is gone, so an error comes as an event.
func TestErrorAfterKeepAlive(t *testing.T) {
	url := start(t, &fake.Engine{Delay: 60 * time.Millisecond, FailAt: 1, Fail: engine.ErrNotReady},
		func(o *openai.Options) { o.KeepAlive = 10 * time.Millisecond })
	list, done := events(t, post(t, url+completions, `{"prompt":"x","stream":true}`))
	if done || len(list) != 1 {
		t.Fatalf("done %v, events %v", done, list)
	}
	wantError(t, list[0], "", "service_unavailable", "experts")
}
