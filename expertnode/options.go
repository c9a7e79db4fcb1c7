package expertnode

import (
	"net"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// Options of an expert node.
type Options struct {
	Model     string              // checkpoint directory
	Weights   checkpoint.Weights  // "" = as stored
	Cache     weightcache.Folders // of 8-bit weights kept between starts
	Name      string              // the pod's name, by which the placement knows it
	Placement string              // file with the placement document; may appear later; "" = only ApplyPlacement
	GRPC      net.Listener        // Dispatch and Control; Run closes it
	HTTP      net.Listener        // /health, /ready, /metrics; Run closes it
	Workers   int                 // threads for arithmetic; 0 = GOMAXPROCS
	// DrainTimeout bounds the time from the end of Run's context to its return.
	DrainTimeout time.Duration
	Log          logr.Logger
}

const (
	defaultDrainTimeout = 2 * time.Minute
	// watchInterval between looks at the model's files: a change is noticed
	// before many answers can be wrong.
	watchInterval = time.Second
)
