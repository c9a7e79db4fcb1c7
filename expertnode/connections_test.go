package expertnode

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/memnet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// flood opens n connections to a node, of which each has been let in before the next one, that
// say nothing, half a preface, or all that makes an HTTP/2 connection. They stay.
func flood(t *testing.T, address string, n int) {
	t.Helper()
	const hello = memnet.Preface + memnet.Settings
	for i := range n {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err = io.ReadFull(c, make([]byte, 1)); err == nil { // the server begins
			_, err = io.WriteString(c, []string{"", hello[:10], hello}[i%3])
		}
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}

// accepted finds this process's connections that others made to a port.
func accepted(t *testing.T, address string) (fds []int) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	for _, f := range open {
		fd, _ := strconv.Atoi(f.Name())
		if _, err := unix.Getpeername(fd); err != nil {
			continue
		}
		name, _ := unix.Getsockname(fd)
		if here, ok := name.(*unix.SockaddrInet4); ok && strconv.Itoa(here.Port) == port {
			fds = append(fds, fd)
		}
	}
	return fds
}

// Whoever opens connections and holds them takes no place from those with streams and shuts
// out nobody: the one that goes is the one without a call for longest.
func TestConnectionsAreBounded(t *testing.T) {
	p, stream := open(t, sharedModel(t))
	at := p.nodes[0].grpc
	idle, err := grpc.NewClient("passthrough:///"+at, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idle.Close() })
	describe := func(c controlpb.ControlClient) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := c.Describe(ctx, &controlpb.DescribeRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	describe(controlpb.NewControlClient(idle))
	flood(t, at, maxConnections-2)
	if idle.GetState() != connectivity.Ready {
		t.Fatal("a connection was closed while there was room")
	}
	flood(t, at, 1)
	await(t, "the end of who was idle, and would be left alone for a minute", func() bool { return idle.GetState() != connectivity.Ready })
	await(t, "a bound", func() bool { return len(accepted(t, at)) <= maxConnections })

	describe(control(t, p.nodes[0])) // an operator
	d := p.router(nil)
	d.Apply(&placement.Document{Revision: 2, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))})
	if err := newReference(t, p.dir).work(t, rand.New(rand.NewPCG(2, 2)), 3, 2).do(t.Context(), d); err != nil {
		t.Errorf("a new router: %v", err)
	}
	o, in := request(1, 0, 64, 0), wire.NewIn()
	defer in.Recycle()
	if err := stream.SendMsg(&o); err != nil {
		t.Fatal(err)
	}
	if err := wire.Receive(stream, in); err != nil || in.Type != wire.Response {
		t.Errorf("the stream that was there first: %v, %v", in.Type, err)
	}
}

// The kernel gives a router up that acknowledges nothing for three seconds, long before gRPC's
// pings would. gRPC asks for it, of a *net.TCPConn alone.
func TestVanishedRoutersAreNoticed(t *testing.T) {
	p, _ := open(t, sharedModel(t))
	fds := accepted(t, p.nodes[0].grpc)
	if len(fds) != 1 {
		t.Fatalf("%d connections, want the one of the stream", len(fds))
	}
	if ms, err := unix.GetsockoptInt(fds[0], unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); err != nil || ms != 3000 {
		t.Errorf("TCP_USER_TIMEOUT is %d ms, %v; want 3000", ms, err)
	}
}
