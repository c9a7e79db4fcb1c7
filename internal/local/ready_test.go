package local

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A listener of all interfaces is at [::], also where there is no IPv6 to reach it by.
func TestReadyAtAllInterfacesWithoutIPv6(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Second}}
	srv.Start()
	defer srv.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	failed := make(chan error, 1)
	late := time.AfterFunc(10*time.Second, func() { failed <- net.ErrClosed })
	defer late.Stop()
	for _, host := range []string{"", "0.0.0.0", "[::]"} {
		pr := newChild(nil)
		pr.watch(t.Context(), "http://"+host+":"+port+"/ready")
		if err := (&Pool{failed: failed}).AwaitReady(t.Context(), pr); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// Whoever waits for a process that loads is told when it serves, that another has failed, or
// that nobody waits any more.
func TestAwaitReady(t *testing.T) {
	var loading atomic.Int32
	loading.Store(2)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if loading.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	kept, slow := keptProcess(nil), newChild(nil)
	p := &Pool{failed: make(chan error, 1), kept: []*process{kept}}
	kept.watch(t.Context(), srv.URL)
	if err := p.AwaitReady(t.Context(), kept); err != nil || loading.Load() >= 0 || !kept.served.Load() {
		t.Errorf("ready: %v, %d answers before, served %v", err, 2-loading.Load(), kept.served.Load())
	}
	p.failed <- io.ErrUnexpectedEOF
	if err := p.AwaitReady(t.Context(), kept, slow); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a node failed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.AwaitReady(ctx, slow); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}
