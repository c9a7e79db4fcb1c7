package wire

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"
)

const (
	// streamWindow lets the largest frame travel without waiting for the
	// receiver's permission; a fixed window also switches off gRPC's bandwidth
	// probing, whose pings would compete with frames. The receiver reads on and
	// bounds its own queue, so a full window is what it buffers only where a peer asks
	// for answers that it does not read.
	streamWindow = MaxFrameBytes + 1<<20
	// connWindow: two lanes may be in the middle of such a frame.
	connWindow = 2 * streamWindow
	// ioBuffer: HTTP/2 frames of 16 KiB gathered into one system call; 32 rows of
	// hidden 2048 take two.
	ioBuffer = 128 << 10

	// keepaliveTime is the least that gRPC allows a client.
	keepaliveTime = 10 * time.Second
	// keepaliveTimeout also becomes TCP_USER_TIMEOUT: a peer that acknowledges no
	// data for so long is gone.
	keepaliveTimeout = 3 * time.Second

	// A restarted pod is found again within about a second.
	minBackoff     = 50 * time.Millisecond
	maxBackoff     = time.Second
	connectTimeout = 2 * time.Second

	// maxStreams of one connection: a router has a few lanes, and Control calls.
	maxStreams = 128
	// maxHeaderBytes of a call: a router's name, and what gRPC adds. Its own limit is 16 MiB.
	maxHeaderBytes = 16 << 10
	// helloTimeout bounds a connection that does not begin to speak HTTP/2. A router gives up
	// after connectTimeout, the operator sooner. gRPC's own limit is two minutes.
	helloTimeout = 5 * time.Second
	// idleTimeout bounds a connection without a call. A router's has streams for as long as it
	// is of use, and the operator closes its own after some 20 s (docs/adr/0124). Who calls
	// again after that connects again.
	idleTimeout = time.Minute
)

// ControlOptions configure a gRPC server that carries Control: what every connection to a pod
// may be and do; how many there may be is package conns' part.
func ControlOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeaderBytes), grpc.ConnectionTimeout(helloTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout, Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2, PermitWithoutStream: true}),
	}
}

// ServerOptions configure a gRPC server that carries Dispatch and Control:
// no compression, explicit sizes, pooled buffers.
func ServerOptions() []grpc.ServerOption {
	return append(ControlOptions(),
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connWindow),
		grpc.MaxRecvMsgSize(MaxFrameBytes), grpc.MaxSendMsgSize(MaxFrameBytes),
		grpc.ReadBufferSize(ioBuffer), grpc.WriteBufferSize(ioBuffer),
		experimental.BufferPool(&Pool),
	)
}

// Dial makes a connection to host:port that reconnects by itself. The address is
// resolved again at every attempt (gRPC's own DNS resolver would wait 30 s),
// because a restarted pod has a new one behind the same name. hint, if not nil,
// may know that new one before DNS does: it is tried first ("" = it does not).
func Dial(address string, hint func() string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return dial(ctx, tcp, address, hint) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxFrameBytes), grpc.MaxCallSendMsgSize(MaxFrameBytes)),
		grpc.WithReadBufferSize(ioBuffer), grpc.WithWriteBufferSize(ioBuffer),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxBackoff},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithNoProxy(), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithIdleTimeout(0),
		experimental.WithBufferPool(&Pool),
	)
}
