package openai_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	templates "github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// filled begins and ends so, with as many elements between as size bytes have room for.
func filled(size int, begin, element, end string) string {
	n := (size - len(begin) - len(end)) / len(element)
	return begin + strings.TrimSuffix(strings.Repeat(element, n), ",") + end
}

// keys are those of an object, none twice, in 4 MiB.
func keys(begin, end string) string {
	var b strings.Builder
	b.WriteString(begin + `"x":1`)
	for i := 0; b.Len() < openai.DefaultMaxBody-100; i++ {
		b.WriteString(`,"` + strconv.Itoa(i) + `":1`)
	}
	return b.String() + end
}

// What is made of a body while it is read takes no more than DefaultMaxBodies says, whatever
// stands in it: what would is counted before it is decoded.
func TestWhatABodyTakes(t *testing.T) {
	const most = 32 << 20 // "some 20 MiB", and what the collector comes too late for
	template, err := templates.Parse(`{% for m in messages %}{{ m.content }}{% endfor %}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := openai.New(openai.Options{Generator: &fake.Engine{Script: "x"}, Tokenizer: fake.Tokenizer{}, Chat: openai.FromTemplate(template),
		Model: "m", Context: 4096, Vocab: fake.Vocab}).Handler()
	const full, hello = openai.DefaultMaxBody, `{"messages":[{"role":"user","content":"hello"}],"max_tokens":1,"chat_template_kwargs":{"x":`
	for name, c := range map[string]struct {
		status     int
		path, body string
		part       string // of the answer
	}{
		"kwargs":             {400, chat, filled(full, hello+`[`, `{"a":1},`, `]}}`), "chat_template_kwargs has 4194"},
		"kwargs, allowed":    {200, chat, filled(64<<10, hello+`[`, `{"a":1},`, `]}}`), ""},
		"messages":           {400, chat, filled(full, `{"messages":[`, `{},`, `]}`), "more than the 2048 allowed"},
		"messages, allowed":  {400, chat, filled(full, `{"messages":[`, `{"role":"user","content":"`+strings.Repeat("x", 2060)+`"},`, `]}`), "context length"},
		"messages, numbers":  {400, chat, filled(full, `{"messages":[`, `1,`, `]}`), "more than the 2048 allowed"},
		"parts":              {400, chat, filled(full, `{"messages":[{"role":"user","content":[`, `1,`, `]}]}`), "more than the 2048 allowed"},
		"prompts":            {400, completions, filled(full, `{"prompt":[`, `[],`, `]}`), "more than the 128 sequences"},
		"prompts, numbers":   {400, completions, filled(full, `{"prompt":[[1],`, `1,`, `]}`), "more than the 128 sequences"},
		"prompts of strings": {400, completions, filled(full, `{"prompt":[`, `"",`, `]}`), "more than the 128 sequences"},
		"token ids":          {400, completions, filled(full, `{"prompt":[`, `1,`, `]}`), "context length"},
		"text":               {400, completions, filled(full, `{"prompt":"`, `x`, `"}`), "context length"},
		"stop strings":       {400, completions, filled(full, `{"prompt":"x","stop":[`, `"",`, `]}`), "more than the 16 allowed"},
		"stop tokens":        {400, completions, filled(full, `{"prompt":"x","stop_token_ids":[`, `1,`, `]}`), "more than the 256 allowed"},
		"keys":               {400, completions, keys(`{`, `}`), "more than 4096 keys"},
		"keys of an object":  {400, completions, keys(`{"prompt":"x","metadata":{`, `}}`), "more than 4096 keys"},
	} {
		w := httptest.NewRecorder()
		took := peak(func() { h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body))) })
		t.Logf("%s: %d MiB", name, took>>20)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
			t.Errorf("%s: status %d, want %d with %q: %.200s", name, w.Code, c.status, c.part, w.Body)
		}
		if took > most {
			t.Errorf("%s takes %d MiB, want at most %d", name, took>>20, most>>20)
		}
	}
}

// peak is the most that lived on the heap while f ran, as often as the collector looked.
func peak(f func()) (most int) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	before := int(live[0].Value.Uint64()) //nolint:gosec // bytes of memory
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for {
		select {
		case <-done:
			return most
		case <-time.After(time.Millisecond):
			metrics.Read(live)
			most = max(most, int(live[0].Value.Uint64())-before) //nolint:gosec // likewise
		}
	}
}

// fewBodies leaves room for two of a thousand bytes.
func fewBodies(o *openai.Options) { o.MaxBody, o.MaxBodies, o.BodyTimeout = 1000, 2, time.Minute }

// A body is held until it is read: who waits in the queue holds none.
func TestWaitingRequestsHoldNoBodies(t *testing.T) {
	eng := &fake.Engine{Delay: time.Hour}
	url := start(t, eng, fewBodies)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	body := `{"prompt":"a","user":"` + strings.Repeat("x", 900) + `"}`
	for range 10 {
		go statusOf(t, ctx, url+completions, body)
	}
	waitFor(t, "all ten to be queued", func() bool { return eng.Active.Load() == 10 })
	call(t, 200, url+"/tokenize", `{"prompt":"a"}`)
}

// beginBodies opens connections that send so much of a body of a thousand bytes.
func beginBodies(t *testing.T, url string, n, size int) (conns []net.Conn) {
	t.Helper()
	for range n {
		conn := dial(t, url)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%s", completions, strings.Repeat(" ", size))
		conns = append(conns, conn)
	}
	return conns
}

// Nor does a body that is announced and does not come: it shuts nobody out.
func TestAnnouncedBodiesTakeNoRoom(t *testing.T) {
	url := start(t, &fake.Engine{}, fewBodies, withMetrics)
	beginBodies(t, url, 50, 1)
	waitFor(t, "all to be there", func() bool { return strings.Contains(metricsText(t, url), "olmoe_http_requests_in_flight 51\n") })
	call(t, 200, url+completions, `{"prompt":"a","max_tokens":1}`)
}

// What has come is bounded: for more there is a 429, until others are read or given up.
func TestBodiesAreBoundedTogether(t *testing.T) {
	url := start(t, &fake.Engine{}, fewBodies)
	conns := beginBodies(t, url, 2, 999)
	large := `{"prompt":"a","max_tokens":1,"user":"` + strings.Repeat("x", 900) + `"}`
	var res answer
	waitFor(t, "both to have come", func() bool { res = post(t, url+completions, large); return res.StatusCode != http.StatusOK })
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantError(t, decode(t, 429, res), "", "rate_limit_exceeded", "reading as many requests")
	conns[0].Close()
	waitFor(t, "room", func() bool { return statusOf(t, context.Background(), url+completions, large) == http.StatusOK })
}
