package local

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// AwaitNodes waits until every expert node has been ready.
func (p *Pool) AwaitNodes(ctx context.Context) error {
	return p.AwaitReady(ctx, p.kept[:len(p.Nodes)]...)
}

// AwaitReady waits until these processes have been ready: then the deployment, with every
// process that has been started so far, has served. Loading takes as long as the disk needs,
// so only a process that fails ends the wait early.
func (p *Pool) AwaitReady(ctx context.Context, processes ...*process) error {
	for _, pr := range processes {
		select {
		case <-pr.ready:
		case err := <-p.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, pr := range p.kept {
		pr.served.Store(true)
	}
	return nil
}

// ReadyURL is where a process tells whether it is ready.
func (a Announcement) ReadyURL() string { return URL(a.HTTP, "/ready") }

// URL escapes what an address may have that a URL must not: the zone of fe80::1%eth0.
func URL(address, path string) string {
	return (&url.URL{Scheme: "http", Host: address, Path: path}).String()
}

// watch polls a URL of this machine until it answers 200: then the process is ready. It
// yields when that was, and never does if ctx ends before. An address may be that of all
// interfaces: it is dialled as it is, for only Dial finds what works where there is no IPv6.
func (p *process) watch(ctx context.Context, url string) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() {
		client := http.Client{Timeout: readyPoll * 20, Transport: &http.Transport{}} // no proxy: it is a process of this machine
		defer client.CloseIdleConnections()
		for !answers(ctx, &client, url) {
			select {
			case <-time.After(readyPoll):
			case <-ctx.Done():
				return
			}
		}
		at <- time.Now()
		p.seen.Do(func() { close(p.ready) })
	}()
	return at
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
