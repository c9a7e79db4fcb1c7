// Package local runs the parts of a deployment as processes of one machine, on
// loopback: what `olmoe up`, `olmoe logits` and `olmoe bench` stand on. A process
// that dies is started again on its old address, as a pod would be.
package local

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Announcement is the line a pod's process prints on stdout once it listens.
type Announcement struct {
	Role string `json:"role"`
	GRPC string `json:"grpc"`
	HTTP string `json:"http"`
}

// Announce prints it; the listeners may have chosen their ports.
func Announce(a Announcement) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(b))
	return err
}

// ExitHopeless is the exit status of a process that would fail again however often
// it is started: bad flags, a model that is missing or damaged. It counts at the first
// start alone, until the process is ready: what is wrong later may pass, such as an address
// that somebody took in between, and a Go program that panics ends with 2 as well.
const ExitHopeless = 2

const (
	startTimeout = 30 * time.Second       // until a process announces itself; it opens no weights before
	restartPause = 200 * time.Millisecond // between two starts of a process that dies
	maxFailures  = 5                      // in a row
	healthyAfter = 10 * time.Second       // a process that has been ready for so long is no failed start
	stopTimeout  = 10 * time.Second       // from the interrupt to the kill
	readyPoll    = 50 * time.Millisecond  // between two looks at a process's readiness
)

// process is a child that is kept alive.
type process struct {
	args     []string                    // for the first start
	again    func(Announcement) []string // for later starts, with the addresses it had
	stderr   io.Writer
	announce chan Announcement // receives once
	ready    chan struct{}     // closed when it is ready for the first time
	seen     sync.Once         // of that
	served   *atomic.Bool      // the deployment has been ready, this process with it
	pause    time.Duration     // between two starts
	most     int               // failures in a row
}

func newProcess(args []string, again func(Announcement) []string, stderr io.Writer) *process {
	return &process{args: args, again: again, stderr: stderr, announce: make(chan Announcement, 1), ready: make(chan struct{}), served: new(atomic.Bool), pause: restartPause, most: maxFailures}
}

// life is one run of a process, from its start to its end.
type life struct {
	at    Announcement  // zero: it never listened
	ready time.Duration // since it was first ready; 0: it never was
	end   error         // as of exec.Cmd.Wait
}

// keep starts the process again whenever it dies, until ctx ends; then it stops it.
func (p *process) keep(ctx context.Context) error {
	args, failures := p.args, 0
	for first := true; ; first = false {
		l := p.once(ctx, args)
		if ctx.Err() != nil {
			return nil
		}
		hopeless := first && l.ready == 0 && exitCode(l.end) == ExitHopeless
		if failures = p.count(failures, l); hopeless || failures == p.most {
			return fmt.Errorf("the %s process ended: %s%s", p.name(), ending(l.end), hint(l.end))
		}
		_, _ = fmt.Fprintf(p.stderr, "olmoe: %s ended (%s); it is started again\n", p.name(), ending(l.end))
		if l.at != (Announcement{}) {
			args = p.again(l.at)
		}
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// count is the number of failures in a row after one more life. Invariant 8: a start that
// does not lead to a process that is ready for a while has failed, however long it took,
// for loading takes as long as the disk needs. A process of a deployment that has served
// and is killed or terminated from outside did not fail: it is started again however
// often somebody does that.
func (p *process) count(failures int, l life) int {
	switch {
	case (l.end == nil || exitCode(l.end) == killed) && p.served.Load():
		return 0
	case l.ready > healthyAfter:
		return 1
	}
	return failures + 1
}

// name is what messages call the process.
func (p *process) name() string {
	if i := slices.Index(p.args, "--name") + 1; i > 0 && i < len(p.args) {
		return p.args[i]
	}
	return p.args[0]
}

// once runs the process to its end.
func (p *process) once(ctx context.Context, args []string) (l life) {
	exe, err := os.Executable()
	if err != nil {
		return life{end: err}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	cmd.Stderr = p.stderr
	dieWithParent(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return life{end: err}
	}
	if err := startProcess(cmd); err != nil {
		return life{end: err}
	}
	defer context.AfterFunc(now, func() { _ = cmd.Process.Kill() })()
	var isReady <-chan time.Time
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if json.Unmarshal(lines.Bytes(), &l.at) == nil && l.at.Role != "" {
			isReady = p.watch(ctx, l.at.ReadyURL())
			select {
			case p.announce <- l.at:
			default:
			}
		}
	}
	l.end = cmd.Wait()
	select {
	case since := <-isReady:
		l.ready = time.Since(since)
	default:
	}
	return l
}
