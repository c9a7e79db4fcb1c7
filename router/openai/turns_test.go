package openai_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

// counting notes how many texts are tokenized, and how many at once; each takes
// until proceed is closed.
type counting struct {
	fake.Tokenizer
	total, now, most atomic.Int32
	proceed          chan struct{}
}

func (c *counting) EncodeSpecial(text string) []int32 {
	c.total.Add(1)
	now := c.now.Add(1)
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	<-c.proceed
	c.now.Add(-1)
	return c.Encode(text)
}

// Few texts are tokenized at once, whatever asks for it; others wait, while their
// clients do.
func TestTextsAreTokenizedInTurns(t *testing.T) {
	long := strings.Repeat("a", 40000)
	for _, c := range []struct{ name, path, body string }{
		{"tokenize", "/tokenize", `{"prompt":"a"}`},
		{"short prompts", completions, `{"prompt":"a","max_tokens":1}`},
		{"long prompts", completions, `{"prompt":"` + long + `","max_tokens":1}`},
		{"short messages", chat, `{"messages":[{"role":"user","content":"a"}],"add_special_tokens":true,"max_tokens":1}`},
		{"long messages", chat, `{"messages":[{"role":"user","content":"` + long + `"}],"add_special_tokens":true,"max_tokens":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := &counting{proceed: make(chan struct{})}
			url := start(t, &fake.Engine{}, withMetrics, func(o *openai.Options) { o.Tokenizer, o.MaxTokenize, o.Context = tok, 2, 100000 })
			proceed := sync.OnceFunc(func() { close(tok.proceed) })
			t.Cleanup(proceed)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			sent := make(chan struct{}) // before that, hanging up makes a body that is cut short
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
			status := make(chan int)
			for range 4 {
				go func() { status <- statusOf(t, context.Background(), url+c.path, c.body) }()
			}
			waitFor(t, "two texts to be tokenized", func() bool { return tok.now.Load() == 2 })
			go func() { status <- statusOf(t, ctx, url+c.path, c.body) }()
			waitFor(t, "all five to be there", func() bool { return strings.Contains(metricsText(t, url), "olmoe_http_requests_in_flight 6\n") })
			<-sent
			cancel()
			if got := <-status; got != 0 {
				t.Errorf("status %d for the client that hung up", got)
			}
			waitFor(t, "it to be counted", func() bool {
				return strings.Contains(metricsText(t, url), `olmoe_http_requests_total{code="499",path="`+c.path+`"} 1`)
			})
			proceed()
			for range 4 {
				if got := <-status; got != 200 {
					t.Errorf("status %d", got)
				}
			}
			if tok.total.Load() != 4 || tok.most.Load() != 2 {
				t.Errorf("%d texts were tokenized, %d at once; want 4 and 2", tok.total.Load(), tok.most.Load())
			}
		})
	}
}

// statusOf is 0 where the client hangs up.
func statusOf(t *testing.T, ctx context.Context, url, body string) int {
	res, err := http.DefaultClient.Do(request(t, http.MethodPost, url, body).WithContext(ctx))
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// Texts that are long together wait for their turn, which is bounded; a short one passes.
func TestShortTextsPassLongOnes(t *testing.T) {
	tok := &counting{proceed: make(chan struct{})}
	url := start(t, &fake.Engine{}, func(o *openai.Options) {
		o.Tokenizer, o.MaxTokenize, o.Context, o.TurnTimeout = tok, 1, 100000, time.Millisecond
	})
	half := `"` + strings.Repeat("a", 20000) + `"`
	long := `{"prompt":[` + half + `,` + half + `],"max_tokens":1}`
	first := make(chan int)
	go func() { first <- statusOf(t, context.Background(), url+completions, long) }()
	waitFor(t, "a long text to be tokenized", func() bool { return tok.now.Load() == 1 })
	if got := statusOf(t, context.Background(), url+completions, long); got != http.StatusTooManyRequests {
		t.Errorf("status %d for the second", got)
	}
	short := make(chan int)
	go func() {
		short <- statusOf(t, context.Background(), url+completions, `{"prompt":`+half+`,"max_tokens":1}`)
	}()
	waitFor(t, "a short one beside it", func() bool { return tok.now.Load() == 2 })
	close(tok.proceed)
	for _, status := range []chan int{first, short} {
		if got := <-status; got != 200 {
			t.Errorf("status %d", got)
		}
	}
}
