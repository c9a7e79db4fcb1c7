package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
)

// TestRanges: both ends of what a flag may have are taken, and nothing beyond.
func TestRanges(t *testing.T) {
	for v, ok := range map[int]bool{2: false, 3: true, 4: true, 5: true, 6: false} {
		if err := inRange("--n", v, 3, 5); (err == nil) != ok || err != nil && err.Error() != fmt.Sprintf("bad flags: --n %d: give 3 to 5", v) {
			t.Errorf("%d: %v", v, err)
		}
	}
	for n, ok := range map[int]bool{-1: false, 0: true, maxWorkers: true, maxWorkers + 1: false} {
		if err := checkWorkers(n); (err == nil) != ok {
			t.Errorf("%d workers: %v", n, err)
		}
	}
	top := topFlags{url: "https://router", window: time.Second, interval: minTopInterval, layer: -1}
	if err := top.check(); err != nil {
		t.Error(err)
	}
}

// TestReported: what a pod dies of is told in one line where the operator reads it, and
// whoever keeps pods alive learns whether starting again can help.
func TestReported(t *testing.T) {
	model := func(kind error) error {
		return &checkpoint.Error{Kind: kind, Path: "/m", Problem: "two\nlines"}
	}
	for _, c := range []struct {
		err    error
		reason string
		status int
	}{
		{errFlags, "BadFlags", 2}, {fmt.Errorf("%w: --listen", podctl.ErrListen), "BadFlags", 2},
		{model(checkpoint.ErrNotFound), "ModelNotFound", 2}, {model(checkpoint.ErrDangling), "ModelLinkBroken", 2},
		{model(checkpoint.ErrUnreadable), "ModelUnreadable", 2}, {model(checkpoint.ErrInvalid), "ModelInvalid", 2},
		{model(checkpoint.ErrChanged), "ModelChanged", 1}, {errors.New("a bug"), "Internal", 1},
	} {
		f := podFlags{terminationLog: filepath.Join(t.TempDir(), "log")}
		if err := f.reported(c.err); !errors.Is(err, c.err) || exitStatus(err) != c.status {
			t.Errorf("%v: reported as %v, exit status %d, want %d", c.err, err, exitStatus(err), c.status)
		}
		line, err := os.ReadFile(f.terminationLog)
		if err != nil || !strings.HasPrefix(string(line), c.reason+": ") || strings.Contains(string(line), "\n") {
			t.Errorf("%v: told %q, %v", c.err, line, err)
		}
	}
	f := podFlags{terminationLog: filepath.Join(t.TempDir(), "no", "folder")}
	if err := f.reported(errFlags); !errors.Is(err, errFlags) || !strings.Contains(err.Error(), "could not be written") {
		t.Errorf("a log that cannot be written: %v", err)
	}
	if err := f.reported(nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// TestTerminationLog: it is found among flags of another version.
func TestTerminationLog(t *testing.T) {
	for args, want := range map[string]string{
		"router --of-tomorrow=1 --termination-log=/dev/x --model m": "/dev/x", "router --termination-log /dev/x": "/dev/x", "router --model m": "", "": "",
	} {
		if got := terminationLog(strings.Fields(args)); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

// TestInterrupts: an interrupt is no error of what serves, and no result of what measures;
// other errors stay what they are.
func TestInterrupts(t *testing.T) {
	running := t.Context()
	ended, cancel := context.WithCancel(running)
	cancel()
	bug, canceled := errors.New("a bug"), fmt.Errorf("step: %w", context.Canceled)
	for _, c := range []struct {
		ctx           context.Context
		err           error
		serves, gives string
	}{
		{running, nil, "<nil>", "<nil>"}, {running, bug, "a bug", "a bug"}, {running, canceled, "step: context canceled", "step: context canceled"},
		{ended, nil, "<nil>", "<nil>"}, {ended, bug, "a bug", "interrupted: a bug"}, {ended, canceled, "<nil>", "interrupted"},
	} {
		if serves, gives := fmt.Sprint(interrupted(c.ctx, c.err)), fmt.Sprint(cutShort(c.ctx, c.err)); serves != c.serves || gives != c.gives {
			t.Errorf("%v, %v: %s and %s, want %s and %s", c.ctx.Err(), c.err, serves, gives, c.serves, c.gives)
		}
	}
}

// TestComputes: the roles that compute are those whose timers may be late.
func TestComputes(t *testing.T) {
	for args, want := range map[string]bool{"olmoe": false, "olmoe router": true, "olmoe expert-node --model m": true, "olmoe up": false, "olmoe operator router": false} {
		if got := computes(strings.Fields(args)); got != want {
			t.Errorf("%s: %v", args, got)
		}
	}
}
