package local

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const dies = "OLMOE_TEST_DIES"

// TestMain: the process that keep starts is the test's own program.
func TestMain(m *testing.M) {
	if os.Getenv(dies) != "" {
		_, _ = io.WriteString(os.Stderr, "dies\n")
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// A process that fails at each start is given up (invariant 8).
func TestFailuresAreBounded(t *testing.T) {
	t.Setenv(dies, "1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var said bytes.Buffer
	p := &process{args: []string{"router"}, stderr: &said, announce: make(chan Announcement, 1), served: new(atomic.Bool)}
	err := p.keep(ctx)
	if err == nil || !strings.Contains(err.Error(), "the router process ended") {
		t.Errorf("error %v", err)
	}
	if n := strings.Count(said.String(), "dies\n"); n != maxFailures {
		t.Errorf("started %d times, want %d", n, maxFailures)
	}
}
