package wire

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Server is what an expert node implements.
type Server interface {
	// Dispatch serves one stream until the router half-closes it or an error ends it.
	Dispatch(s grpc.ServerStream) error
}

const dispatchMethod = "/olmoe.dispatch.v1.ExpertNode/Dispatch"

var serviceDesc = grpc.ServiceDesc{
	ServiceName: "olmoe.dispatch.v1.ExpertNode",
	HandlerType: (*Server)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName:    "Dispatch",
		Handler:       func(srv any, s grpc.ServerStream) error { return srv.(Server).Dispatch(s) },
		ServerStreams: true,
		ClientStreams: true,
	}},
	Metadata: "internal/wire/doc.go",
}

// Register adds the service to a gRPC server.
func Register(s grpc.ServiceRegistrar, srv Server) { s.RegisterService(&serviceDesc, srv) }

// routerKey is the request metadata that names the router, for the node's log.
const routerKey = "olmoe-router"

// Open starts a stream of the named router. It waits for a connection that is
// being made, and fails with the reason if that cannot be made.
func Open(ctx context.Context, cc grpc.ClientConnInterface, router string) (grpc.ClientStream, error) {
	return cc.NewStream(metadata.AppendToOutgoingContext(ctx, routerKey, router),
		&serviceDesc.Streams[0], dispatchMethod, grpc.CallContentSubtype(CodecName))
}

// Router is the name that the peer of a stream gave itself; may be empty.
func Router(s grpc.ServerStream) string {
	if v := metadata.ValueFromIncomingContext(s.Context(), routerKey); len(v) > 0 {
		return clip(v[0])
	}
	return ""
}

// Receiver is the receiving half of either end's stream.
type Receiver interface{ RecvMsg(m any) error }

// Receive reads and checks the next frame of a stream into in. An error of type
// *FrameError is the peer's fault; others are the connection's.
func Receive(s Receiver, in *In) error {
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	if err := in.Parse(); err != nil {
		return &FrameError{err}
	}
	return nil
}

// FrameError is a frame that arrived damaged or malformed; its stream cannot be
// trusted any more.
type FrameError struct{ Err error }

// Error implements error.
func (e *FrameError) Error() string { return "bad frame: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FrameError) Unwrap() error { return e.Err }
