//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	requestTimeout = 60 * time.Second
	answerTokens   = 24
)

// question is one client's own: its prompt and its seed. No two clients ask the same, so that an answer, or a row
// of a step, that went to the wrong one is another answer.
type question int

func (q question) body(stream bool) map[string]any {
	return map[string]any{
		"model": name, "stream": stream, "max_tokens": answerTokens, "ignore_eos": true, "return_token_ids": true,
		"temperature": 1, "seed": int(q),
		"messages": []message{{"user", fmt.Sprintf("%d: tell me about experts.", q)}},
	}
}

// known is a question with the answer that it gets undisturbed.
type known struct {
	question
	want reply
}

// reply is an answer's tokens, and its text.
type reply struct {
	tokens []int32
	text   string
}

// errChanged is an answer that came whole and is not the undisturbed one.
var errChanged = errors.New("another answer")

// check says where a reply differs from the undisturbed one.
func (k known) check(got reply) error {
	for i := range min(len(got.tokens), len(k.want.tokens)) {
		if got.tokens[i] != k.want.tokens[i] {
			return fmt.Errorf("%w to question %d: token %d is %d, not %d: %v instead of %v",
				errChanged, k.question, i, got.tokens[i], k.want.tokens[i], got.tokens, k.want.tokens)
		}
	}
	if len(got.tokens) != len(k.want.tokens) {
		return fmt.Errorf("%w to question %d: %d tokens, not %d: %v instead of %v",
			errChanged, k.question, len(got.tokens), len(k.want.tokens), got.tokens, k.want.tokens)
	}
	if got.text != k.want.text {
		return fmt.Errorf("%w to question %d: of the same tokens %q instead of %q", errChanged, k.question, got.text, k.want.text)
	}
	return nil
}

// message is one of a chat; choice and answer are the parts of OpenAI's responses that the test reads.
type message struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type choice struct {
	Message      message `json:"message"`
	Delta        message `json:"delta"`
	TokenIDs     []int32 `json:"token_ids"`
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

// learn asks n questions from the first on, one after the other: what all later answers must be. A new Service
// refuses connections until the machines' kube-proxies have heard of its first router, which may be a moment
// after that one is Ready.
func learn(t *testing.T, api endpoint, first question, n int) (all []known) {
	t.Helper()
	for q := first; q < first+question(n); q++ {
		k := known{question: q}
		eventually(t, 10*time.Second, func() (err error) {
			k.want, err = api.chat(t.Context(), q)
			return err
		})
		if len(k.want.tokens) != answerTokens || strings.TrimSpace(k.want.text) == "" {
			t.Fatalf("the answer to question %d has %d tokens, want %d, and the text %q", q, len(k.want.tokens), answerTokens, k.want.text)
		}
		all = append(all, k)
	}
	return all
}

// post asks; the caller closes the body.
func (e endpoint) post(ctx context.Context, q question, stream bool) (*http.Response, error) {
	body, err := json.Marshal(q.body(stream))
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

// chat returns an answer, or an error if it did not come whole.
func (e endpoint) chat(ctx context.Context, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := e.post(ctx, q, false)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	var a answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return reply{}, err
	}
	if len(a.Choices) != 1 || a.Choices[0].FinishReason == "" {
		return reply{}, fmt.Errorf("not a whole answer: %+v", a)
	}
	return reply{a.Choices[0].TokenIDs, a.Choices[0].Message.Content}, nil
}

// again asks a question whose answer is known.
func (e endpoint) again(ctx context.Context, k known) error {
	got, err := e.chat(ctx, k.question)
	if err != nil {
		return err
	}
	return k.check(got)
}

// chatStream returns the answer put together from a stream's pieces, and how many pieces held tokens;
// each, if not nil, is called for each of them.
func (e endpoint) chatStream(ctx context.Context, q question, each func()) (got reply, pieces int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	response, err := e.post(ctx, q, true)
	if err != nil {
		return reply{}, 0, err
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if data == "[DONE]" {
			return got, pieces, nil
		}
		var a answer
		if !isData {
			continue
		}
		if err := json.Unmarshal([]byte(data), &a); err != nil {
			return reply{}, 0, err
		}
		if len(a.Choices) != 1 {
			continue
		}
		got.text += a.Choices[0].Delta.Content
		if ids := a.Choices[0].TokenIDs; len(ids) > 0 {
			got.tokens, pieces = append(got.tokens, ids...), pieces+1
			if each != nil {
				each()
			}
		}
	}
	return reply{}, 0, fmt.Errorf("the stream ended without [DONE] after %d tokens, %q", len(got.tokens), got.text)
}
