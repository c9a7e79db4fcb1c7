package openai_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

const testContext = 128

// object is a decoded JSON object.
type object = map[string]any

// start serves an API over eng, with the limits of the tests.
func start(t testing.TB, eng *fake.Engine, change ...func(*openai.Options)) string {
	t.Helper()
	if eng.Context == 0 {
		eng.Context = testContext
	}
	o := openai.Options{Generator: eng, Tokenizer: fake.Tokenizer{}, Chat: fake.Chat{},
		Model: "org/fake", Context: testContext, Vocab: fake.Vocab, Fingerprint: "fp_test", Version: "1.2.3"}
	for _, f := range change {
		f(&o)
	}
	srv := httptest.NewUnstartedServer(openai.New(o).Handler())
	srv.Config = openai.NewHTTPServer("", srv.Config.Handler, openai.DefaultMaxRequests)
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		waitFor(t, "all sequences to be freed", func() bool { return eng.Active.Load() == 0 })
	})
	return srv.URL
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// answer is a response whose body is closed when the test ends.
type answer struct {
	StatusCode int
	Header     http.Header
	Body       io.Reader
}

func do(t testing.TB, req *http.Request) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return answer{res.StatusCode, res.Header, res.Body}
}

func request(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func post(t testing.TB, url, body string) answer {
	t.Helper()
	return do(t, request(t, http.MethodPost, url, body))
}

// call posts and decodes the answer, which must have that status.
func call(t testing.TB, status int, url, body string) object {
	t.Helper()
	return decode(t, status, post(t, url, body))
}

func get(t testing.TB, status int, url string) object {
	t.Helper()
	return decode(t, status, do(t, request(t, http.MethodGet, url, "")))
}

func decode(t testing.TB, status int, res answer) object {
	t.Helper()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("status %d, not JSON: %s", res.StatusCode, raw)
	}
	if res.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", res.StatusCode, status, raw)
	}
	return out
}

// at follows keys (string) and indices (int) into decoded JSON.
func at(t testing.TB, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(object)
			if !ok {
				t.Fatalf("no object for key %q of %v in %v", p, path, v)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("no list with index %d of %v in %v", p, path, v)
			}
			v = l[p]
		}
	}
	return v
}

// want compares decoded JSON with the JSON text of what is expected.
func want(t testing.TB, got any, text string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var expected any
	if err := json.Unmarshal([]byte(text), &expected); err != nil {
		t.Fatalf("bad expectation %s: %v", text, err)
	}
	e, _ := json.Marshal(expected)
	if string(b) != string(e) {
		t.Errorf("got  %s\nwant %s", b, e)
	}
}

// events reads a stream to its end. done says whether it ended in [DONE].
func events(t testing.TB, res answer) (list []object, done bool) {
	t.Helper()
	if ct := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || ct != "text/event-stream; charset=utf-8" {
		raw, _ := io.ReadAll(res.Body)
		t.Fatalf("status %d, %s: %s", res.StatusCode, ct, raw)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		line := lines.Text()
		switch data, ok := strings.CutPrefix(line, "data: "); {
		case data == "[DONE]":
			done = true
		case ok && done:
			t.Fatalf("an event after [DONE]: %s", line)
		case ok:
			var v object
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			list = append(list, v)
		case line != "" && !strings.HasPrefix(line, ":"):
			t.Fatalf("not an event: %q", line)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list, done
}
