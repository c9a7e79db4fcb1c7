package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
)

// answerTokens is the length of an answer: long enough that a fault falls into one.
const answerTokens = 200

// load keeps streams going, each with a prompt of its own.
type load struct {
	url    string
	ctx    context.Context // ends with the load
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu      sync.Mutex
	seen    []time.Duration // gaps since the last call of gaps
	last    []time.Time     // of each client: the running answer's last token, or its request
	answers int
	changed int
	failed  []string
}

// startLoad first asks every prompt alone: those answers are the right ones.
func startLoad(ctx context.Context, url string, clients int) (*load, error) {
	l := &load{url: url, last: make([]time.Time, clients)}
	want := make([]string, clients)
	for i := range want {
		var err error
		if want[i], err = l.ask(ctx, i, func(time.Time) {}); err != nil {
			return nil, err
		}
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	for i := range clients {
		l.wait.Go(func() { l.client(i, want[i]) })
	}
	return l, nil
}

func (l *load) client(i int, want string) {
	for l.ctx.Err() == nil {
		l.begin(i, time.Now())
		got, err := l.ask(l.ctx, i, func(now time.Time) { l.token(i, now) })
		l.mu.Lock()
		switch {
		case l.ctx.Err() != nil: // cut off by finish
		case err != nil:
			l.answers++
			l.failed = append(l.failed, err.Error())
		default:
			l.answers++
			if got != want {
				l.changed++
			}
		}
		l.mu.Unlock()
	}
}

// begin notes a request. The time until its first token is a gap, too: a prompt of four
// tokens takes as long as a token, and a client that waits there has stalled as well.
func (l *load) begin(i int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[i] = now
}

func (l *load) token(i int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, now.Sub(l.last[i]))
	l.last[i] = now
}

// gaps returns the gaps that have ended since the last call.
func (l *load) gaps() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.seen
	l.seen = nil
	return g
}

// open are the gaps that have not ended yet.
func (l *load) open() (g []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.last {
		if !t.IsZero() {
			g = append(g, time.Since(t))
		}
	}
	return g
}

func (l *load) finish(r *result) {
	l.cancel()
	l.wait.Wait()
	r.answers, r.changed, r.failed = l.answers, l.changed, l.failed
}

// ask streams one answer and returns its text.
func (l *load) ask(ctx context.Context, i int, token func(time.Time)) (string, error) {
	var text strings.Builder
	err := bench.Stream(ctx, l.url, map[string]any{
		"prompt": []int{5 + i, 7, 11 + i, 13}, "max_tokens": answerTokens, "ignore_eos": true,
		"temperature": 1, "seed": i, "return_token_ids": true,
	}, func(data []byte) error {
		var piece struct {
			Choices []struct {
				TokenIDs []int `json:"token_ids"`
			} `json:"choices"`
		}
		if err := json.Unmarshal(data, &piece); err != nil {
			return err
		}
		for _, c := range piece.Choices {
			if len(c.TokenIDs) > 0 {
				token(time.Now())
				fmt.Fprint(&text, c.TokenIDs)
			}
		}
		return nil
	})
	return text.String(), err
}
