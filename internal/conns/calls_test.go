package conns

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/memnet"
)

// calls is a gRPC server that answers Check at once, or, of the service "slow", when it is told
// to; and Watch, which is a stream, when its client ends it.
type calls struct {
	health.UnimplementedHealthServer
	listener memnet.Listener
	answer   chan struct{}
}

func (s *calls) Check(_ context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	if r.GetService() == "slow" {
		<-s.answer
	}
	return &health.HealthCheckResponse{}, nil
}

func (s *calls) Watch(_ *health.HealthCheckRequest, w grpc.ServerStreamingServer[health.HealthCheckResponse]) error {
	if err := w.Send(&health.HealthCheckResponse{}); err != nil {
		return err
	}
	<-w.Context().Done()
	return nil
}

// serveCalls is for tests in a bubble.
func serveCalls(t *testing.T, most int) *calls {
	t.Helper()
	s := &calls{listener: make(memnet.Listener), answer: make(chan struct{})}
	g := grpc.NewServer(ServerOptions(most)...)
	health.RegisterHealthServer(g, s)
	go func() { _ = g.Serve(s.listener) }()
	t.Cleanup(g.Stop)
	return s
}

// raw makes a connection, reads what the server begins with, and sends text.
func (s *calls) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	client, end := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	s.listener <- end
	synctest.Wait()
	go func() { _, _ = io.WriteString(client, text) }()
	return client
}

// ended reads on to the connection's end, and tells whether that has come by now.
func ended(c net.Conn) bool {
	end := make(chan struct{})
	go func() { defer close(end); _, _ = io.Copy(io.Discard, c) }()
	synctest.Wait()
	select {
	case <-end:
		return true
	default:
		return false
	}
}

// caller is a client with one connection, which it does not make anew.
func (s *calls) caller(t *testing.T) health.HealthClient {
	t.Helper()
	made := false
	cc, err := grpc.NewClient("passthrough:///pod", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if made {
				return nil, errors.New("the connection has ended")
			}
			made = true
			client, end := net.Pipe()
			s.listener <- end
			return client, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return health.NewHealthClient(cc)
}

// check makes a call.
func check(c health.HealthClient, service string) error {
	_, err := c.Check(context.Background(), &health.HealthCheckRequest{Service: service})
	return err
}

// slow begins a call, whose end it sends.
func slow(c health.HealthClient) <-chan error {
	end := make(chan error, 1)
	go func() { end <- check(c, "slow") }()
	synctest.Wait()
	return end
}

// watch begins a stream.
func watch(t *testing.T, c health.HealthClient) (grpc.ServerStreamingClient[health.HealthCheckResponse], context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	w, err := c.Watch(ctx, &health.HealthCheckRequest{})
	if err == nil {
		_, err = w.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return w, cancel
}

// A caller gets in when all places are taken, whatever the one that goes has done. Those with a
// stream or a call under way stay.
func TestCallsKeepTheirConnections(t *testing.T) {
	for name, text := range map[string]string{"silent": "", "within the preface": memnet.Preface[:10],
		"before settings": memnet.Preface, "without a call": memnet.Preface + memnet.Settings} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveCalls(t, 3)
				streaming, calling := s.caller(t), s.caller(t)
				w, cancel := watch(t, streaming)
				answer := slow(calling)
				quiet := s.raw(t, text)
				for range 5 {
					if err := check(s.caller(t), ""); err != nil {
						t.Errorf("a caller is shut out: %v", err)
					}
				}
				if !ended(quiet) {
					t.Error("the quiet one goes on")
				}
				close(s.answer)
				if err := <-answer; err != nil {
					t.Errorf("a call was cut off: %v", err)
				}
				if err := check(streaming, ""); err != nil {
					t.Errorf("beside a stream: %v", err)
				}
				cancel()
				if _, err := w.Recv(); status.Code(err) != codes.Canceled {
					t.Errorf("a stream was cut off: %v", err)
				}
			})
		})
	}
}

// Of several without a call the one goes that is so for longest. One that has ended holds its
// place until then.
func TestTheLongestWithoutACallGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveCalls(t, 3)
		first, second := s.caller(t), s.caller(t)
		for _, c := range []health.HealthClient{first, second, first} {
			if err := check(c, ""); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			_ = s.raw(t, "").Close()
			synctest.Wait()
		}
		if err := check(second, ""); status.Code(err) != codes.Unavailable {
			t.Errorf("the second one: %v, want its end", err)
		}
		if err := check(first, ""); err != nil {
			t.Errorf("the first one called last, and was closed: %v", err)
		}
	})
}

// Several calls of one connection keep it until the last one ends. Where all have calls a new
// one is closed.
func TestPlacesOfCallsAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serveCalls(t, 1)
		c := s.caller(t)
		_, cancel := watch(t, c)
		answer := slow(c)
		if err := check(c, ""); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		if !ended(s.raw(t, "")) {
			t.Error("there was no room for it")
		}
		close(s.answer)
		if err := <-answer; err != nil {
			t.Errorf("a call was cut off: %v", err)
		}
		synctest.Wait()
		if err := check(s.caller(t), ""); err != nil {
			t.Errorf("places are not left: %v", err)
		}
		if err := check(c, ""); status.Code(err) != codes.Unavailable {
			t.Errorf("the former one: %v, want its end", err)
		}
	})
}
