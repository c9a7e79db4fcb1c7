package podctl

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

// maxAwait bounds how long a call may stay open.
const maxAwait = time.Minute

// Server is the Control service of a pod.
type Server struct {
	controlpb.UnimplementedControlServer
	Watcher *Watcher
	// Fill sets what only the role knows; version, revision and why a document was
	// refused are there already.
	Fill func(*controlpb.DescribeResponse)
	// AwaitSilence returns when a node has gone silent that a router needs, or ctx
	// ends; nil: the pod is no router.
	AwaitSilence func(ctx context.Context)
	// Endpoints takes hints where expert nodes are now; nil: the pod is no router.
	Endpoints func(map[string]string)
	// Window says what an expert node did in about the last d, a length within the
	// limits of package load. nil: the pod is no expert node.
	Window func(d time.Duration) *load.Node
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { controlpb.RegisterControlServer(r, s) }

// Describe implements controlpb.ControlServer.
func (s *Server) Describe(ctx context.Context, r *controlpb.DescribeRequest) (*controlpb.DescribeResponse, error) {
	if wait := time.Duration(r.GetAwaitSilenceMs()) * time.Millisecond; wait > 0 && s.AwaitSilence != nil {
		ctx, cancel := context.WithTimeout(ctx, min(wait, maxAwait))
		defer cancel()
		s.AwaitSilence(ctx)
	}
	return s.describe(), nil
}

// ApplyPlacement implements controlpb.ControlServer.
func (s *Server) ApplyPlacement(_ context.Context, r *controlpb.ApplyPlacementRequest) (*controlpb.DescribeResponse, error) {
	if len(r.GetDocument()) > 0 || len(r.GetEndpoints()) == 0 {
		if err := s.Watcher.Apply(r.GetDocument()); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
	}
	if s.Endpoints != nil && len(r.GetEndpoints()) > 0 {
		s.Endpoints(r.GetEndpoints())
	}
	return s.describe(), nil
}

func (s *Server) describe() *controlpb.DescribeResponse {
	r := &controlpb.DescribeResponse{Version: version.String()}
	d, problem := s.Watcher.Newest()
	r.Message, r.Refused = problem, problem
	if d != nil {
		r.Revision = d.Revision
	}
	s.Fill(r)
	return r
}
