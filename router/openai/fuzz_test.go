package openai_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"unicode/utf8"

	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// Any body gets an answer of the API's own: valid JSON or a stream, a known
// status, an error object with four members, and never a panic (which the log
// would show). A body that passes gives the same answer again.
func FuzzBody(f *testing.F) {
	panicked := false
	o := openai.Options{Generator: &fake.Engine{Context: 64, Script: "ab stop"}, Tokenizer: fake.Tokenizer{}, Chat: fake.Chat{},
		Model: "m", Context: 64, Vocab: fake.Vocab,
		Log: funcr.New(func(_, args string) { panicked = true; f.Log(args) }, funcr.Options{})}
	handler := openai.New(o).Handler()
	paths := []string{completions, chat, "/tokenize", "/detokenize"}
	for _, seed := range []string{
		`{"prompt":"a","max_tokens":3}`, `{"prompt":[1,2],"echo":true,"logprobs":2}`, `{"prompt":["a","b"],"n":2,"stop":["x"]}`,
		`{"prompt":[[1],[2]],"logit_bias":{"1":5}}`, `{"prompt":"a","stream":true,"stream_options":{"include_usage":true}}`,
	} {
		f.Add(uint8(0), []byte(seed))
	}
	f.Add(uint8(1), []byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"logprobs":true,"top_logprobs":1,"seed":1}`))
	f.Add(uint8(1), []byte(`{"messages":[{"role":"assistant","content":"a"}],"continue_final_message":true,"chat_template_kwargs":{"prefix":"x"}}`))
	f.Add(uint8(2), []byte(`{"prompt":"a","return_token_strs":true}`))
	f.Add(uint8(3), []byte(`{"tokens":[1,2,240]}`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, paths[int(which)%len(paths)], bytes.NewReader(body)))
		if panicked {
			t.Fatal("an internal error")
		}
		checkAnswer(t, w)
	})
}

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	raw := w.Body.Bytes()
	if !utf8.Valid(raw) {
		t.Fatalf("not UTF-8: %q", raw)
	}
	if w.Header().Get("Content-Type") == "text/event-stream; charset=utf-8" {
		if !bytes.HasSuffix(raw, []byte("data: [DONE]\n\n")) {
			t.Fatalf("a stream without an end: %q", raw)
		}
		return
	}
	var v map[string]json.RawMessage
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %q", err, raw)
	}
	switch w.Code {
	case 200:
		if v["error"] != nil {
			t.Fatalf("an error with status 200: %s", raw)
		}
	case 400, 404:
		var e map[string]any
		if err := json.Unmarshal(v["error"], &e); err != nil || len(e) != 4 || e["message"] == "" {
			t.Fatalf("error object %s", raw)
		}
	default:
		t.Fatalf("status %d: %s", w.Code, raw)
	}
}
