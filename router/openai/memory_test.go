//go:build !race

package openai_test

import (
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
