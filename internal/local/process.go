// Package local runs the parts of a deployment as processes of one machine, on
// loopback: what `olmoe up`, `olmoe logits` and `olmoe bench` stand on. A process
// that dies is started again on its old address, as a pod would be.
package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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
// it is started: bad flags, a model that is missing or damaged. It counts until the
// process has once announced itself: what is wrong later may pass, such as an address
// that somebody took in between, and a Go program that panics ends with 2 as well.
const ExitHopeless = 2

const (
	startTimeout = 30 * time.Second       // until a process announces itself; it opens no weights before
	restartPause = 200 * time.Millisecond // between two starts of a process that dies
	maxFailures  = 5                      // in a row, each within healthyAfter of its start
	healthyAfter = 10 * time.Second       // a process that lived so long was not failing
	stopTimeout  = 10 * time.Second       // from the interrupt to the kill
	readyPoll    = 50 * time.Millisecond  // between two looks at a process's readiness
)

// process is a child that is kept alive.
type process struct {
	args     []string                    // for the first start
	again    func(Announcement) []string // for later starts, with the addresses it had
	stderr   io.Writer
	announce chan Announcement // receives once
	served   *atomic.Bool      // the deployment has been ready
}

// keep starts the process again whenever it dies, until ctx ends; then it stops it.
func (p *process) keep(ctx context.Context) error {
	args, failures, announced := p.args, 0, false
	for {
		start := time.Now()
		a, err := p.once(ctx, args)
		if ctx.Err() != nil {
			return nil
		}
		if a != (Announcement{}) {
			args, announced = p.again(a), true
		}
		if failures = p.count(failures, err, time.Since(start)); failures == maxFailures || (!announced && exitCode(err) == ExitHopeless) {
			return fmt.Errorf("the %s process ended: %v (its last words are above)", p.args[0], err)
		}
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
			return nil
		}
	}
}

// count is the number of failures in a row after one more end. A process of a
// deployment that has served and is killed or terminated from outside did not fail:
// it is started again however often somebody does that.
func (p *process) count(failures int, err error, lived time.Duration) int {
	const killed = -1 // os/exec's exit code
	switch {
	case (err == nil || exitCode(err) == killed) && p.served.Load():
		return 0
	case lived > healthyAfter:
		return 1
	}
	return failures + 1
}

// exitCode of a process that ended with err; 0 where it never ran.
func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return 0
	}
	return exit.ExitCode()
}

// once runs the process to its end and returns what it announced.
func (p *process) once(ctx context.Context, args []string) (Announcement, error) {
	exe, err := os.Executable()
	if err != nil {
		return Announcement{}, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	cmd.Stderr = p.stderr
	dieWithParent(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Announcement{}, err
	}
	if err := startProcess(cmd); err != nil {
		return Announcement{}, err
	}
	var a Announcement
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if json.Unmarshal(lines.Bytes(), &a) == nil && a.Role != "" {
			select {
			case p.announce <- a:
			default:
			}
		}
	}
	return a, cmd.Wait()
}
