package openai_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
	"github.com/olmoe-serving/olmoe-operator/router/openai/internal/fake"
)

func TestBodyTooLarge(t *testing.T) {
	url := start(t, &fake.Engine{})
	for _, path := range []string{completions, chat, "/tokenize", "/detokenize"} {
		got := call(t, 413, url+path, `{"prompt":"`+strings.Repeat("x", openai.DefaultMaxBody)+`"}`)
		wantError(t, got, "", "request_too_large", "4 MiB")
	}
}

// A client that sends everything before it reads gets the reason, not a broken
// connection; one that asks first is told at once.
func TestBodyTooLargeReachesTheClient(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.MaxBody = 1000 })
	conn := dial(t, url)
	const size = 20 << 20
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", completions, size)
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatalf("the server hung up: %v", err)
	}
	wantTooLarge(t, conn)
	conn = dial(t, url)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", completions, size)
	wantTooLarge(t, conn)
}

func wantTooLarge(t *testing.T, conn net.Conn) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	wantError(t, decode(t, 413, answer{res.StatusCode, res.Header, res.Body}), "", "request_too_large", "1000 bytes")
}

// A body of unknown length is bounded too.
func TestBodyTooLargeChunked(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.MaxBody = 1000 })
	body := io.MultiReader(strings.NewReader(`{"prompt":"`), strings.NewReader(strings.Repeat("x", 5000)))
	req := request(t, http.MethodPost, url+completions, "")
	req.Body, req.ContentLength = io.NopCloser(body), -1 // chunked
	wantError(t, decode(t, 413, do(t, req)), "", "request_too_large", "1000 bytes")
}

func TestLargestBodyPasses(t *testing.T) {
	url := start(t, &fake.Engine{})
	ids := strings.Repeat("1,", 2_000_000)
	got := call(t, 400, url+completions, `{"prompt":[`+ids+`1]}`)
	wantError(t, got, "prompt", "context_length_exceeded", "2000001 tokens")
}

// A client that sends its body slowly is told so and dropped; nothing hangs.
func TestSlowBody(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.BodyTimeout = 50 * time.Millisecond })
	conn := dial(t, url)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", completions)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	wantError(t, decode(t, 408, answer{res.StatusCode, res.Header, res.Body}), "", "request_timeout", "50ms")
}

// Nor does a body that nobody reads keep a connection: the answer comes at
// once, the connection ends.
func TestSlowBodyThatIsNotRead(t *testing.T) {
	url := start(t, &fake.Engine{}, func(o *openai.Options) { o.BodyTimeout, o.APIKey = 50*time.Millisecond, "k" })
	for path, status := range map[string]int{"/health": 405, "/nope": 404, completions: 401} {
		conn := dial(t, url)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", path)
		r := bufio.NewReader(conn)
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if res.StatusCode != status {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, status)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("%s: the connection stays open: %v", path, err)
		}
		res.Body.Close()
	}
}

// The bound of the body does not bound the answer.
func TestSlowAnswerOutlivesTheBodyTimeout(t *testing.T) {
	eng := &fake.Engine{Script: "abcdefgh", Delay: 20 * time.Millisecond}
	url := start(t, eng, func(o *openai.Options) { o.BodyTimeout = 50 * time.Millisecond })
	got := call(t, 200, url+completions, `{"prompt":"q","temperature":0}`)
	want(t, at(t, got, "choices", 0, "text"), `"abcdefgh"`)
}

func TestSlowHeaders(t *testing.T) {
	srv := openai.NewHTTPServer("", openai.New(openai.Options{Model: "m"}).Handler(), openai.DefaultMaxRequests)
	if srv.ReadHeaderTimeout <= 0 || srv.IdleTimeout <= 0 || srv.MaxHeaderBytes <= 0 {
		t.Fatalf("unbounded: %+v", srv)
	}
	if srv.WriteTimeout != 0 || srv.ReadTimeout != 0 {
		t.Fatal("a timeout for the whole answer would cut long streams")
	}
	srv.ReadHeaderTimeout = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	conn := dial(t, "http://"+l.Addr().String())
	fmt.Fprint(conn, "POST /v1/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// smallBuffers makes a connection fill up after a few events.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(4096)
	}
	return conn, err
}

// A stream whose client does not read ends after the write timeout and frees
// its work.
func TestClientThatDoesNotRead(t *testing.T) {
	eng := &fake.Engine{Context: 1 << 30}
	srv := httptest.NewUnstartedServer(openai.New(openai.Options{Generator: eng, Model: "m", Context: 1 << 30, Vocab: fake.Vocab,
		WriteTimeout: 50 * time.Millisecond}).Handler())
	srv.Listener = smallBuffers{srv.Listener}
	srv.Start()
	defer srv.Close()
	conn := dial(t, srv.URL)
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	body := `{"prompt":[1],"stream":true,"ignore_eos":true,"max_tokens":100000000,"return_token_ids":true}`
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", completions, len(body), body)
	waitFor(t, "the sequence to start", func() bool { return eng.Active.Load() == 1 })
	waitFor(t, "the sequence to be freed", func() bool { return eng.Active.Load() == 0 })
}

// Nor does an answer that is not read hold its place, whatever made it, and a drain
// does not wait for it.
func TestAnswerThatIsNotRead(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 1000 {
			_, _ = w.Write(make([]byte, 10_000))
		}
	})
	srv := httptest.NewUnstartedServer(openai.New(openai.Options{Generator: &fake.Engine{}, Tokenizer: fake.Tokenizer{}, Model: "m",
		Context: testContext, Vocab: fake.Vocab, WriteTimeout: 50 * time.Millisecond, MetricsPage: page, Load: page}).Handler())
	srv.Listener = smallBuffers{srv.Listener}
	srv.Start()
	defer srv.Close()
	tokens := `{"tokens":[` + strings.Repeat("97,", 1_000_000) + `97]}`
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/tokenize", `{"prompt":"` + strings.Repeat("x", 1_000_000) + `"}`}, {"POST", "/detokenize", tokens},
		{"GET", "/metrics", ""}, {"GET", "/debug/load", ""},
	} {
		conn := dial(t, srv.URL)
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", c.method, c.path, len(c.body), c.body)
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // the answer has begun
			t.Fatalf("%s: %v", c.path, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Config.Shutdown(ctx); err != nil {
		t.Errorf("clients that do not read hold up the drain: %v", err)
		srv.CloseClientConnections()
	}
}

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

// What the engine refuses, before anything was sent.
func TestEngineRefusals(t *testing.T) {
	for _, c := range []struct {
		err              error
		status           int
		kind, code, part string
		retry            bool
		param            string
	}{
		{engine.ErrQueueFull, 429, "rate_limit_error", "rate_limit_exceeded", "queue is full", true, ""},
		{engine.ErrQueueWait, 429, "rate_limit_error", "rate_limit_exceeded", "waited too long", true, ""},
		{engine.ErrDraining, 503, "server_error", "service_unavailable", "shutting down", true, ""},
		{fmt.Errorf("layer 3: %w", engine.ErrNotReady), 503, "server_error", "service_unavailable", "experts", true, ""},
		{engine.ErrContextFull, 400, "invalid_request_error", "context_length_exceeded", "context", false, "prompt"},
		{fmt.Errorf("%w: 99", engine.ErrTokenRange), 400, "invalid_request_error", "", "vocabulary: 99", false, "prompt"},
		{fmt.Errorf("secret path /data/x"), 500, "server_error", "internal_error", "had an error", false, ""},
	} {
		for _, stream := range []string{"true", "false"} {
			for name, eng := range map[string]*fake.Engine{
				"at once":             {Refuse: c.err},
				"the second of three": {Refuse: c.err, RefuseFrom: 1, Delay: time.Hour},
				"by event":            {Fail: c.err, FailAt: 1},
			} {
				t.Run(fmt.Sprintf("%v/%s/stream=%s", c.err, name, stream), func(t *testing.T) {
					url := start(t, eng)
					res := post(t, url+completions, `{"prompt":"a","n":3,"stream":`+stream+`}`)
					if got := res.Header.Get("Retry-After") != ""; got != c.retry {
						t.Errorf("Retry-After given: %v", got)
					}
					body := decode(t, c.status, res)
					wantError(t, body, c.param, c.code, c.part)
					want(t, at(t, body, "error", "type"), fmt.Sprintf("%q", c.kind))
					if strings.Contains(fmt.Sprint(body), "secret") {
						t.Errorf("an internal error leaked: %v", body)
					}
					waitFor(t, "all sequences to be freed", func() bool { return eng.Active.Load() == 0 })
				})
			}
		}
	}
}
