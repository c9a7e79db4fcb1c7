package fleet

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
)

// counted is a listener that counts connections.
type counted struct {
	net.Listener
	n atomic.Int32
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

func startCounted(t *testing.T, p controlpb.ControlServer, address string) (*counted, *grpc.Server) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, s := &counted{Listener: l}, grpc.NewServer()
	controlpb.RegisterControlServer(s, p)
	go func() { _ = s.Serve(c) }()
	t.Cleanup(s.Stop)
	return c, s
}

func TestCallsShareAConnection(t *testing.T) {
	c, _ := startCounted(t, &program{answer: &controlpb.DescribeResponse{}}, "127.0.0.1:0")
	g, pods := &GRPC{}, []Pod{{Name: "pod", Address: c.Addr().String()}}
	for range 5 {
		DescribeAll(t.Context(), g, pods)
		if failed := ApplyAll(t.Context(), g, pods, []byte("doc")); len(failed) > 0 {
			t.Fatal(failed)
		}
	}
	if c.n.Load() != 1 {
		t.Errorf("%d connections for ten calls", c.n.Load())
	}
}

// A call that fails takes its connection with it, and leaves another's call on it alone.
func TestAFailureEndsTheConnection(t *testing.T) {
	p := &program{hang: true}
	c, _ := startCounted(t, p, "127.0.0.1:0")
	g, pod := &GRPC{}, Pod{Name: "pod", Address: c.Addr().String()}
	other, err := g.lines.take(pod.Address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := g.Describe(ctx, pod); err == nil {
		t.Fatal("an answer of a pod that hangs")
	}
	if err := g.Apply(t.Context(), pod, nil); err == nil { // refused, on a new one
		t.Fatal("a document of no bytes was taken")
	}
	if len(g.lines.open) != 0 || c.n.Load() != 2 {
		t.Errorf("%d connections open, %d in all; want 0 and 2", len(g.lines.open), c.n.Load())
	}
	document := &controlpb.ApplyPlacementRequest{Document: []byte("doc")}
	if _, err := controlpb.NewControlClient(other.conn).ApplyPlacement(t.Context(), document); err != nil {
		t.Errorf("closed under a call: %v", err)
	}
	g.lines.release(pod.Address, other, false)
	if state := other.conn.GetState().String(); state != "SHUTDOWN" {
		t.Errorf("%s after the last user", state)
	}
}

// A pod that has restarted at its address is reached at the second call at the latest.
func TestARestartedPodIsReached(t *testing.T) {
	p := &program{answer: &controlpb.DescribeResponse{}}
	c, s := startCounted(t, p, "127.0.0.1:0")
	g, pod := &GRPC{}, Pod{Name: "pod", Address: c.Addr().String()}
	if _, err := g.Describe(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if a := DescribeAll(t.Context(), g, []Pod{pod})["pod"]; a.Err == nil || a.Hung {
		t.Errorf("after its end: %+v", a)
	}
	startCounted(t, p, pod.Address)
	if _, err := g.Describe(t.Context(), pod); err != nil {
		t.Error(err)
	}
}

// A connection that nobody used for keepLine is closed when another call ends; what is in
// use, or was lately, stays.
func TestUnusedConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s lines
		take := func(address string) *line {
			l, err := s.take(address)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		call := func(address string) *line {
			l := take(address)
			s.release(address, l, false)
			return l
		}
		unused, steady, busy := call("unused:1"), call("steady:1"), take("busy:1")
		time.Sleep(keepLine - 1)
		call("steady:1")
		if len(s.open) != 3 {
			t.Errorf("%d connections open before keepLine is over, want 3", len(s.open))
		}
		time.Sleep(time.Nanosecond)
		last := call("last:1")
		for name, l := range map[string]*line{"unused": unused, "steady": steady, "busy": busy, "last": last} {
			closed := l.conn.GetState() == connectivity.Shutdown
			if open := s.open[name+":1"] == l; open == closed || closed != (name == "unused") {
				t.Errorf("%s: open %v, closed %v", name, open, closed)
			}
		}
		for _, l := range s.open {
			_ = l.conn.Close()
		}
	})
}

// An address of nonsense is an error of that call alone.
func TestAddressOfNonsense(t *testing.T) {
	if err := (&GRPC{}).Apply(t.Context(), Pod{Name: "pod", Address: "\x7f"}, nil); err == nil {
		t.Error("a document was handed to nobody")
	}
}

// Pods are reached directly, whatever proxy the environment names: it knows no pods.
func TestNoProxyIsAsked(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	c := &counted{Listener: proxy}
	go func() {
		for {
			conn, err := c.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	t.Setenv("HTTPS_PROXY", "http://"+proxy.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	// An address of no pod (RFC 5737): proxies are not asked for loopback ones.
	if _, err := (&GRPC{}).Describe(ctx, Pod{Name: "pod", Address: "192.0.2.1:7070"}); err == nil {
		t.Fatal("an answer of nobody")
	}
	if n := c.n.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}
