package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

const (
	// topTimeout of one look: a router waits a second for its nodes.
	topTimeout = 5 * time.Second
	// maxTopBytes of an answer: 512 nodes of 16 x 64 experts take about 40 MB.
	maxTopBytes = 64 << 20
)

// topClient reads the load from a debug endpoint.
type topClient struct {
	url, key string
	window   time.Duration
}

func (c *topClient) fetch(ctx context.Context) (*load.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, topTimeout)
	defer cancel()
	address, err := url.JoinPath(c.url, "debug/load")
	if err != nil {
		return nil, fmt.Errorf("%w: --url %s: %v", errFlags, c.url, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?window="+c.window.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: --url %s: %v", errFlags, c.url, err)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("cannot reach a router: %w; give its address by --url, or run this in its pod: kubectl exec -it deploy/NAME-router -- olmoe top", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, c.refused(resp)
	}
	report, err := load.Decode(io.LimitReader(resp.Body, maxTopBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return report, nil
}

// refused explains a status in terms of what to do.
func (c *topClient) refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	hint := strings.TrimSpace(string(text))
	var body struct{ Error struct{ Message string } }
	if json.Unmarshal(text, &body) == nil && body.Error.Message != "" {
		hint = body.Error.Message
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		hint = "the router wants its API key: set OLMOE_API_KEY to it"
	case http.StatusNotFound:
		hint = "there is no /debug/load: is it the address of a router or an expert node's HTTP port, and of this version?"
	}
	return fmt.Errorf("%s: status %d: %s", c.url, resp.StatusCode, hint)
}
