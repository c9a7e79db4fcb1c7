package podctl

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

// loading is what a pod says before its Server is there.
const loading = "loading the model"

// Gate is the Control service of a pod from its start: until the model is loaded, which
// may take minutes, it says just that, so that the operator does not take the pod for one
// that it cannot reach.
type Gate struct {
	controlpb.UnimplementedControlServer
	// Role and Name are what the pod calls itself (DescribeResponse).
	Role, Name string
	server     atomic.Pointer[Server]
}

// Register adds the service to a gRPC server.
func (g *Gate) Register(r grpc.ServiceRegistrar) { controlpb.RegisterControlServer(r, g) }

// Open lets s answer from now on.
func (g *Gate) Open(s *Server) { g.server.Store(s) }

// Describe implements controlpb.ControlServer.
func (g *Gate) Describe(ctx context.Context, r *controlpb.DescribeRequest) (*controlpb.DescribeResponse, error) {
	if s := g.server.Load(); s != nil {
		return s.Describe(ctx, r)
	}
	return &controlpb.DescribeResponse{Role: g.Role, Name: g.Name, Version: version.String(), Message: loading}, nil
}

// ApplyPlacement implements controlpb.ControlServer.
func (g *Gate) ApplyPlacement(ctx context.Context, r *controlpb.ApplyPlacementRequest) (*controlpb.DescribeResponse, error) {
	if s := g.server.Load(); s != nil {
		return s.ApplyPlacement(ctx, r)
	}
	return nil, status.Error(codes.Unavailable, loading)
}

// Load implements controlpb.ControlServer.
func (g *Gate) Load(ctx context.Context, r *controlpb.LoadRequest) (*controlpb.LoadResponse, error) {
	if s := g.server.Load(); s != nil {
		return s.Load(ctx, r)
	}
	return nil, status.Error(codes.Unavailable, loading)
}
