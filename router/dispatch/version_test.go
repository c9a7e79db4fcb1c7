package dispatch

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// A node whose frames have another version is refused as one with another model is: that
// is logged, once, and it is not asked many times a second until a person acts.
func TestNodesWithOtherFramesAreRefused(t *testing.T) {
	n := startFake(t, small, "a", "127.0.0.1:0")
	tries, lines := make(chan time.Time, 100), make(chan string, 100)
	n.greet = func(hello *wire.Out) {
		hello.Bytes()[4] = wire.Version + 1
		hello.Seal()
		tries <- time.Now()
	}
	d := router(t, func(o *Options) {
		o.Lanes = 1
		o.Log = funcr.New(func(_, args string) {
			if strings.Contains(args, "refused") {
				lines <- args
			}
		}, funcr.Options{})
	})
	d.Apply(place(small, 1, n))
	first := <-tries
	if pause := (<-tries).Sub(first); pause < refusedPause {
		t.Errorf("tried again after %s, want %s", pause, refusedPause)
	}
	select {
	case line := <-lines:
		if !strings.Contains(line, "frame version 4; this program speaks 3") || !strings.Contains(line, `"node"="a"`) || len(lines) > 0 {
			t.Errorf("logged %q and %d lines more", line, len(lines))
		}
	default:
		t.Error("nothing is logged")
	}
}
