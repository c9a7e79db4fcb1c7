package wire

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/memnet"
)

// hello is what a gRPC client sends first.
const hello = memnet.Preface + memnet.Settings

// each runs a test against a server of either kind of pod, in a bubble.
func each(t *testing.T, test func(*testing.T, memnet.Listener)) {
	for name, options := range map[string]func() []grpc.ServerOption{"expert node": ServerOptions, "router": ControlOptions} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, s := make(memnet.Listener), grpc.NewServer(options()...)
				health.RegisterHealthServer(s, echo{})
				go func() { _ = s.Serve(l) }()
				t.Cleanup(s.Stop)
				test(t, l)
			})
		})
	}
}

// echo answers calls; a stream lasts until its client ends it.
type echo struct {
	health.UnimplementedHealthServer
}

func (echo) Check(context.Context, *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	return &health.HealthCheckResponse{}, nil
}

func (echo) Watch(_ *health.HealthCheckRequest, s grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	<-s.Context().Done()
	return nil
}

// client counts the connections it makes.
func client(t *testing.T, l memnet.Listener) (c health.HealthClient, made *int) {
	t.Helper()
	made = new(int)
	cc, err := grpc.NewClient("passthrough:///pod", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			*made++
			near, far := net.Pipe()
			l <- far
			return near, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return health.NewHealthClient(cc), made
}

func check(ctx context.Context, t *testing.T, c health.HealthClient) {
	t.Helper()
	if _, err := c.Check(ctx, &health.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
}

// lasts sends text on a connection and tells after how long the server ends it.
func lasts(l memnet.Listener, text string) time.Duration {
	near, far := net.Pipe()
	l <- far
	go func() { _, _ = io.WriteString(near, text) }()
	begun := time.Now()
	_, _ = io.Copy(io.Discard, near) // answers no ping
	return time.Since(begun)
}

// Who does not begin to speak HTTP/2 is not kept.
func TestTheFirstWordsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, l memnet.Listener) {
		for _, text := range []string{"", hello[:10], hello[:24], hello[:30]} {
			if d := lasts(l, text); d != helloTimeout {
				t.Errorf("%q: ended after %s, want %s", text, d, helloTimeout)
			}
		}
	})
}

// A client that is silent for good is noticed by pings; one that answers them may be without
// a call for idleTimeout, and calls again as if nothing were.
func TestConnectionsWithoutCallsEnd(t *testing.T) {
	each(t, func(t *testing.T, l memnet.Listener) {
		if d := lasts(l, hello); d != keepaliveTime+keepaliveTimeout {
			t.Errorf("who answers no ping is kept for %s", d)
		}
		idle, made := client(t, l)
		busy, once := client(t, l)
		if _, err := busy.Watch(t.Context(), &health.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(idleTimeout / 2)
			check(t.Context(), t, idle)
		}
		if *made != 1 {
			t.Errorf("%d connections while there were calls", *made)
		}
		time.Sleep(idleTimeout + time.Second)
		check(t.Context(), t, idle)
		check(t.Context(), t, busy)
		if *made != 2 || *once != 1 {
			t.Errorf("%d connections of who had no call, %d of who had a stream; want 2 and 1", *made, *once)
		}
	})
}

// Headers are bounded before they are kept.
func TestHeadersAreBounded(t *testing.T) {
	each(t, func(t *testing.T, l memnet.Listener) {
		c, _ := client(t, l)
		with := func(n int) context.Context {
			return metadata.AppendToOutgoingContext(t.Context(), routerKey, strings.Repeat("r", n))
		}
		check(with(253), t, c) // the longest name
		if _, err := c.Check(with(maxHeaderBytes), &health.HealthCheckRequest{}); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "header list size") {
			t.Errorf("an answer to %d bytes of headers: %v", maxHeaderBytes, err)
		}
	})
}
