package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client talks to a router and reads its expert nodes' counters.
type client struct {
	url   string   // of the router
	nodes []string // URLs of the expert nodes' metrics
	vocab int
}

// stream asks for n tokens after a prompt and returns when each came.
func (c *client) stream(ctx context.Context, prompt []int32, n int) ([]time.Time, error) {
	var times []time.Time
	err := Stream(ctx, c.url, map[string]any{
		"prompt": prompt, "max_tokens": n, "ignore_eos": true, "temperature": 0, "return_token_ids": true,
	}, func(data []byte) error {
		if bytes.Contains(data, []byte(`"token_ids":[`)) {
			times = append(times, time.Now())
		}
		return nil
	})
	if err == nil && len(times) != n {
		err = fmt.Errorf("%d tokens came, %d were asked for", len(times), n)
	}
	return times, err
}

// Stream asks the router at a URL for a completion, as a stream, and calls piece
// with each event's JSON as it comes. An error of piece ends the stream and is
// returned; so is a status other than 200, and an end before the answer's. The key is
// that of the environment, which a router that this program started has from it, too.
func Stream(ctx context.Context, url string, request map[string]any, piece func(data []byte) error) error {
	request["stream"] = true
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("OLMOE_API_KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("status %d: %s", resp.StatusCode, bytes.TrimSpace(b))
	}
	return events(resp.Body, piece)
}

// events reads server-sent events up to the one that ends an answer.
func events(from io.Reader, piece func(data []byte) error) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		if string(data) == "[DONE]" {
			return nil
		}
		if err := piece(data); err != nil {
			return err
		}
	}
	return errors.Join(errors.New("the stream ended early"), lines.Err())
}

// streams runs several at once, with prompts numbered from first on.
func (c *client) streams(ctx context.Context, count, first, promptTokens, n int) ([][]time.Time, error) {
	times, errs := make([][]time.Time, count), make([]error, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() { times[i], errs[i] = c.stream(ctx, c.prompt(first+i, promptTokens), n) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}

// prompt number i: ids spread over the vocabulary, none twice in a row.
func (c *client) prompt(i, n int) []int32 {
	ids := make([]int32, n)
	for p := range ids {
		ids[p] = int32((7919*(i+1) + 104729*p*(i+3) + p*p) % c.vocab) //nolint:gosec // below the vocabulary
	}
	return ids
}

// counters are sums over all processes since they started.
type counters struct {
	activations float64 // how often an expert had rows
	mallocs     float64 // objects on Go's heaps
	scrape      float64 // of mallocs, what reading the counters once costs, about
}

// counters asks twice, for the cost of asking.
func (c *client) counters(ctx context.Context) (counters, error) {
	first, err := c.scrape(ctx)
	if err != nil {
		return first, err
	}
	second, err := c.scrape(ctx)
	second.scrape = 2 * (second.mallocs - first.mallocs)
	return second, err
}

func (c *client) scrape(ctx context.Context) (sum counters, err error) {
	for _, url := range append([]string{c.url}, c.nodes...) {
		err := Samples(ctx, url, func(name string, v float64) {
			switch {
			case strings.HasPrefix(name, "olmoe_expert_activations_total{"):
				sum.activations += v
			case name == "go_memstats_mallocs_total":
				sum.mallocs += v
			}
		})
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// Samples reads the metrics of the process at a URL, sample by sample; names come
// with their labels.
func Samples(ctx context.Context, url string, each func(name string, v float64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[0] != "#" {
			v, err := strconv.ParseFloat(f[1], 64)
			if err != nil {
				return fmt.Errorf("%s/metrics: %q: %w", url, lines.Text(), err)
			}
			each(f[0], v)
		}
	}
	return lines.Err()
}
