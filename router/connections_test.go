package router_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/router"
)

// Whoever opens connections to the control port and says nothing shuts no operator out: the
// one that goes is the one without a call for longest.
func TestControlConnectionsAreBounded(t *testing.T) {
	var control string
	start(t, model(t), filepath.Join(t.TempDir(), "placement.json"), func(o *router.Options) {
		announce := o.Announce
		o.Announce = func(http, grpc string) error { control = grpc; return announce(http, grpc) }
	})
	idle, err := grpc.NewClient("passthrough:///"+control, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idle.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := controlpb.NewControlClient(idle).Describe(ctx, &controlpb.DescribeRequest{}); err != nil {
		t.Fatal(err)
	}
	for range 64 {
		c, err := net.Dial("tcp", control)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // the server begins
			t.Fatal(err)
		}
	}
	if !idle.WaitForStateChange(ctx, connectivity.Ready) {
		t.Error("who has been idle for longest stays, and would for a minute")
	}
	if _, err := describe(ctx, control); err != nil {
		t.Errorf("an operator is shut out: %v", err)
	}
}
