package conns

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// ServerOptions let a gRPC server have at most so many connections (invariant 8). Past that number
// a new one takes the place of the one that has been without a call for longest, so that nobody
// who holds connections open shuts out a router or the operator. Those with a call keep their
// places. How many there may be of these, fewer than most, is the handlers' to bound; where they
// do not, the new connection is the one that is closed.
//
// Nothing is done for a message, and gRPC gets what the listener accepted, a *net.TCPConn: for no
// other does it set TCP_USER_TIMEOUT and wait for data without a buffer (docs/adr/0170). So nobody
// tells that a connection has ended, and it keeps its place until that is the one to be taken.
func ServerOptions(most int) []grpc.ServerOption {
	b := newBound(most)
	return []grpc.ServerOption{
		grpc.Creds(door{insecure.NewCredentials(), b}),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			defer b.call(ctx)()
			return h(ctx, r)
		}),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			defer b.call(s.Context())()
			return h(srv, s)
		}),
	}
}

// door is where a server's new connections come in: credentials of none.
type door struct {
	credentials.TransportCredentials
	bound *bound
}

// guest is a connection as its calls know it.
type guest struct {
	credentials.CommonAuthInfo
	conn  net.Conn
	calls int // under way; guarded by bound.mu
}

// AuthType implements credentials.AuthInfo.
func (*guest) AuthType() string { return "insecure" }

var errFull = errors.New("all connections have calls")

// ServerHandshake implements credentials.TransportCredentials. gRPC closes what it refuses.
func (d door) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	d.bound.mu.Lock()
	defer d.bound.mu.Unlock()
	if !d.bound.admit(c) {
		return nil, nil, errFull
	}
	return c, &guest{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}, conn: c}, nil
}

// call notes that one has begun on the connection of ctx; what it returns, that it has ended.
func (b *bound) call(ctx context.Context) (end func()) {
	p, _ := peer.FromContext(ctx) // every call has one, of door's making
	g := p.AuthInfo.(*guest)
	b.count(g, 1)
	return func() { b.count(g, -1) }
}

func (b *bound) count(g *guest, calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g.calls += calls
	b.move(g.conn, g.calls == 0)
}
