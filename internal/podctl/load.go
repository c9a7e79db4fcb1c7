package podctl

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/load/loadpb"
)

// Load implements controlpb.ControlServer.
func (s *Server) Load(_ context.Context, r *controlpb.LoadRequest) (*controlpb.LoadResponse, error) {
	if s.Window == nil {
		return nil, status.Error(codes.Unimplemented, "this pod holds no experts: ask an expert node for its load")
	}
	window := load.ClampWindow(time.Duration(r.GetWindowMs()) * time.Millisecond)
	return loadpb.From(s.Window(window)), nil
}
