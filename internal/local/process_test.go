package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"testing"
	"time"
)

// child is what a process that keep starts does: it is the test's own program.
const child = "OLMOE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(child) {
	case "dies":
		_, _ = io.WriteString(os.Stderr, "x\n")
		os.Exit(3)
	case "hopeless":
		_, _ = io.WriteString(os.Stderr, "x\n")
		os.Exit(ExitHopeless)
	case "breaks": // once it listens
		fmt.Println("a line of somebody else's")
		_ = Announce(Announcement{Role: "router", GRPC: "127.0.0.1:7", HTTP: "127.0.0.1:8"})
		_, _ = fmt.Fprintln(os.Stderr, os.Args[1:])
		os.Exit(1)
	case "serves":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, os.Interrupt)
		_ = Announce(Announcement{Role: os.Args[1], GRPC: os.Args[3], HTTP: "127.0.0.1:8"})
		<-stop
		os.Exit(0)
	}
	_ = os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0") // a child that ends well waits for no reports of races
	os.Exit(m.Run())
}

func keptProcess(said io.Writer) *process {
	p := newProcess([]string{"router", "at any port"}, func(a Announcement) []string { return []string{"router", a.GRPC, a.HTTP} }, said)
	p.pause = time.Millisecond
	return p
}

// A process that fails at each start is given up (invariant 8), at once where it would
// fail again however often it is started. Once it has listened it is started where it was.
func TestFailuresAreBounded(t *testing.T) {
	again := strings.Repeat("[router 127.0.0.1:7 127.0.0.1:8]\n", maxFailures-1)
	for does, want := range map[string]string{
		"dies": strings.Repeat("x\n", maxFailures), "hopeless": "x\n", "breaks": "[router at any port]\n" + again,
	} {
		t.Run(does, func(t *testing.T) {
			t.Setenv(child, does)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var said bytes.Buffer
			p := keptProcess(&said)
			err := p.keep(ctx)
			if err == nil || !strings.Contains(err.Error(), "the router process ended") {
				t.Errorf("error %v", err)
			}
			own := regexp.MustCompile("olmoe: router ended .*\n").ReplaceAllString(said.String(), "")
			if own != want {
				t.Errorf("starts said %q, want %q", own, want)
			}
			if does == "breaks" && (<-p.announce).GRPC != "127.0.0.1:7" {
				t.Error("nobody was told where it listened")
			}
		})
	}
}

// What ends a process that has served from outside is no failure, and what was ready for
// long begins to be counted anew.
func TestCount(t *testing.T) {
	killed := exec.CommandContext(t.Context(), "sleep", "60")
	if err := killed.Start(); err != nil {
		t.Skip(err)
	}
	_ = killed.Process.Kill()
	killedErr, failed := killed.Wait(), errors.New("it cannot be started")
	for _, c := range []struct {
		name   string
		err    error
		served bool
		ready  time.Duration
		want   int
	}{
		{"killed", killedErr, true, time.Second, 0}, {"ended well", nil, true, time.Second, 0}, {"killed after long", killedErr, true, time.Hour, 0},
		{"killed before all was ready", killedErr, false, time.Second, 4}, {"ended before all was ready", nil, false, time.Second, 4},
		{"failed", failed, true, time.Second, 4}, {"failed after long", failed, true, time.Minute, 1}, {"killed after long, never all ready", killedErr, false, time.Minute, 1},
	} {
		p := keptProcess(nil)
		p.served.Store(c.served)
		if got := p.count(3, life{ready: c.ready, end: c.err}); got != c.want {
			t.Errorf("%s: %d failures in a row, want %d", c.name, got, c.want)
		}
	}
}
