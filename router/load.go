package router

import (
	"context"
	"net/http"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
)

// loadTimeout bounds a report of the load: expert nodes answer from memory, and
// somebody looks at a screen.
const loadTimeout = time.Second

// loadPage serves the load of all expert nodes that the placement names.
func loadPage(core *Core) http.Handler {
	nodes := &fleet.GRPC{}
	return podctl.LoadPage(func(ctx context.Context, window time.Duration) *load.Report {
		ctx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		var pods []fleet.Pod
		for _, n := range core.Dispatcher.Status().Nodes {
			pods = append(pods, fleet.Pod{Name: n.Name, Address: n.Address})
		}
		return fleet.LoadAll(ctx, nodes, pods, window)
	})
}
