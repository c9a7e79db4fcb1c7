//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	requestTimeout = 60 * time.Second
	loadClients    = 3 // enough to always have requests in flight on a machine of two cores
)

// message is one of a chat; choice and answer are the parts of OpenAI's responses that the test reads.
type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type choice struct {
	Message      message `json:"message"`
	Delta        message `json:"delta"`
	FinishReason string  `json:"finish_reason"`
}

type answer struct {
	Choices []choice `json:"choices"`
}

// endpoint is the routers' Service, as this machine reaches it.
type endpoint struct {
	url   string
	fresh bool // a new connection for every request, so that the Service chooses a router each time
}

// findEndpoint uses the Service's cluster address, to which this machine has a route.
func findEndpoint(t *testing.T) endpoint {
	t.Helper()
	host := strings.TrimPrefix(getDeployment(t, name).Status.Endpoint, "http://")
	service := &corev1.Service{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: strings.SplitN(host, ".", 2)[0]}, service); err != nil {
		t.Fatal(err)
	}
	return endpoint{url: fmt.Sprintf("http://%s:%d", service.Spec.ClusterIP, service.Spec.Ports[0].Port)}
}

// firstAnswer is what all later answers must be. A new Service refuses connections until the machines'
// kube-proxies have heard of its first router, which may be a moment after that one is Ready.
func firstAnswer(t *testing.T, api endpoint) (want string) {
	t.Helper()
	eventually(t, 10*time.Second, func() (err error) {
		want, err = api.chat(t.Context())
		return err
	})
	return want
}

// post asks for a greedy chat answer; the caller closes the body.
func (e endpoint) post(ctx context.Context, stream bool) (*http.Response, error) {
	body, err := json.Marshal(map[string]any{
		"model": name, "stream": stream, "temperature": 0, "max_tokens": 24,
		"messages": []message{{"user", "Tell me about experts."}},
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = e.fresh
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", response.Status, text)
	}
	return response, nil
}

// chat returns the answer's text, or an error if it did not come whole.
func (e endpoint) chat(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := e.post(ctx, false)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var a answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return "", err
	}
	if len(a.Choices) != 1 || a.Choices[0].FinishReason == "" {
		return "", fmt.Errorf("not a whole answer: %+v", a)
	}
	return a.Choices[0].Message.Content, nil
}

// chatStream returns the text put together from a stream's pieces, and how many pieces held text;
// each, if not nil, is called for each of them.
func (e endpoint) chatStream(ctx context.Context, each func()) (text string, pieces int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := e.post(ctx, true)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if data == "[DONE]" {
			return text, pieces, nil
		}
		var a answer
		if !isData {
			continue
		}
		if err := json.Unmarshal([]byte(data), &a); err != nil {
			return "", 0, err
		}
		if len(a.Choices) == 1 && a.Choices[0].Delta.Content != "" {
			text, pieces = text+a.Choices[0].Delta.Content, pieces+1
			if each != nil {
				each()
			}
		}
	}
	return "", 0, fmt.Errorf("the stream ended without [DONE] after %q", text)
}

// load is traffic that goes on while something is done to the cluster.
type load struct {
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu       sync.Mutex
	answered int
	longest  time.Duration
	gaps     []gap             // between the pieces of an answer
	last     map[int]time.Time // of each client's running answer: its last piece, or its start
	errors   []string
}

// startLoad asks again and again, every second client over new connections; every answer must be want.
func startLoad(t *testing.T, to endpoint, want string) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for i := range loadClients {
		to := to
		to.fresh = i%2 == 0
		l.wait.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				got, err := to.chat(t.Context())
				l.record(time.Since(start), got, want, err)
			}
		})
	}
	return l
}

// startStreams is startLoad with streamed answers, whose gaps are measured.
func startStreams(t *testing.T, to endpoint, want string) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel, last: map[int]time.Time{}}
	for i := range loadClients {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				start, pieces := time.Now(), 0
				l.piece(i, start, false)
				got, _, err := to.chatStream(t.Context(), func() {
					l.piece(i, time.Now(), pieces > 0)
					pieces++
				})
				l.record(time.Since(start), got, want, err)
				if err != nil {
					time.Sleep(50 * time.Millisecond) // where nobody listens it comes at once
				}
			}
		})
	}
	return l
}

// piece notes that a client's stream goes on; the time to the first piece is no gap.
func (l *load) piece(client int, now time.Time, between bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if between {
		l.gaps = append(l.gaps, gap{l.last[client], now.Sub(l.last[client])})
	}
	l.last[client] = now
}

// gap is the time between two pieces of an answer.
type gap struct {
	began time.Time
	took  time.Duration
}

// stalls describes gaps.
type stalls struct {
	n            int
	p50, p99     time.Duration
	longest      time.Duration
	longestBegan time.Time
}

func (s stalls) String() string {
	return fmt.Sprintf("%d gaps of %s (median), %s (99 %%), %s (longest)", s.n,
		s.p50.Round(time.Millisecond), s.p99.Round(time.Millisecond), s.longest.Round(time.Millisecond))
}

// stalls are the gaps since the last call, those that have not ended yet with them.
func (l *load) stalls() stalls {
	l.mu.Lock()
	defer l.mu.Unlock()
	gaps := l.gaps
	l.gaps = nil
	for _, last := range l.last {
		gaps = append(gaps, gap{last, time.Since(last)})
	}
	slices.SortFunc(gaps, func(a, b gap) int { return cmp.Compare(a.took, b.took) })
	n := len(gaps)
	if n == 0 {
		return stalls{}
	}
	return stalls{n: n, p50: gaps[n/2].took, p99: gaps[n*99/100].took, longest: gaps[n-1].took, longestBegan: gaps[n-1].began}
}

func (l *load) record(took time.Duration, got, want string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered++
	l.longest = max(l.longest, took)
	if err == nil && got != want {
		err = fmt.Errorf("another answer: %q instead of %q", got, want)
	}
	if err != nil {
		l.errors = append(l.errors, fmt.Sprintf("%s after %s: %v", time.Now().Format("15:04:05.000"), took.Round(time.Millisecond), err))
	}
}

// stop ends the traffic and fails the test unless every request was answered, and answered the same.
func (l *load) stop(t *testing.T) {
	t.Helper()
	for _, e := range l.end(t) {
		t.Error(e)
	}
}

// end ends the traffic and returns what went wrong.
func (l *load) end(t *testing.T) []string {
	t.Helper()
	l.cancel()
	l.wait.Wait()
	t.Logf("%d requests, %d failed, longest %s", l.answered, len(l.errors), l.longest.Round(time.Millisecond))
	if l.answered == 0 {
		t.Error("no request was made: the traffic shows nothing")
	}
	return l.errors
}
