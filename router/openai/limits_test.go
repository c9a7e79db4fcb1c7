package openai_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func TestTooManyRequests(t *testing.T) {
	eng := &fake.Engine{Delay: time.Hour}
	url := start(t, eng, func(o *openai.Options) { o.MaxRequests = 2 })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 2 {
		go statusOf(t, ctx, url+completions, `{"prompt":"a"}`)
	}
	waitFor(t, "two requests to run", func() bool { return eng.Active.Load() == 2 })
	res := post(t, url+completions, `{"prompt":"a"}`)
	if res.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantError(t, decode(t, 429, res), "", "rate_limit_exceeded", "Try again")
	get(t, 200, url+"/health") // probes are not shut out
	get(t, 200, url+"/v1/models")
	call(t, 200, url+"/tokenize", `{"prompt":"a"}`) // nor what waits for no answer's place
	cancel()
	waitFor(t, "the two to be freed", func() bool { return eng.Active.Load() == 0 })
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	go statusOf(t, ctx, url+completions, `{"prompt":"a"}`)
	waitFor(t, "a place to be free again", func() bool { return eng.Active.Load() == 1 })
}

// The log-probabilities of a request are bounded together: of all choices, tokens and
// alternatives.
func TestTooManyLogprobs(t *testing.T) {
	eng := &fake.Engine{Script: "x", Context: 4096}
	url := start(t, eng, func(o *openai.Options) { o.Context = 4096 })
	ids := strings.Repeat("97,", 3999) + "97"
	all := `[[` + ids + strings.Repeat(`],[`+ids, 127) + `]]`
	msg := `"messages":[{"role":"user","content":"x"}]`
	for _, c := range []struct{ path, body string }{
		{completions, `{"prompt":` + all + `,"echo":true,"logprobs":20,"max_tokens":0}`},
		{completions, `{"prompt":"x","n":13,"logprobs":20,"max_tokens":4000}`},
		{completions, `{"prompt":"x","n":13,"logprobs":20,"max_tokens":4000,"stream":true}`},
		{chat, `{` + msg + `,"n":13,"logprobs":true,"top_logprobs":20}`},
	} {
		wantError(t, call(t, 400, url+c.path, c.body), "logprobs", "", "more than the 1048576 a request may have")
	}
	if n := eng.Submitted.Load(); n != 0 {
		t.Errorf("%d sequences reached the engine", n)
	}
	call(t, 200, url+completions, `{"prompt":"x","n":12,"logprobs":20,"max_tokens":4000,"temperature":0}`)
	call(t, 200, url+completions, `{"prompt":"x","n":128,"logprobs":1,"max_tokens":4000,"temperature":0}`)
	call(t, 200, url+completions, `{"prompt":`+all+`,"logprobs":20,"max_tokens":1}`)
	call(t, 200, url+chat, `{`+msg+`,"n":128}`)
}
