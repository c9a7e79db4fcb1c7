package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/bench"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// deployment is a running "olmoe up".
type deployment struct {
	cmd   *exec.Cmd
	url   string
	nodes int
}

func start(ctx context.Context, o *options, owners int) (*deployment, error) {
	d := &deployment{nodes: o.nodes, cmd: exec.CommandContext(ctx, o.program, "up", "--model", o.model, "--listen", "127.0.0.1:0",
		"--expert-nodes", strconv.Itoa(o.nodes), "--replicas-per-expert", strconv.Itoa(owners), "--workers", "1")}
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s up: %w", o.program, err)
	}
	d.url = strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	return d, nil
}

func (d *deployment) stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait()
}

// expertNodes are the processes that hold experts, by pid, with their arguments.
func (d *deployment) expertNodes() map[int][]string {
	found := map[int][]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, _ := os.ReadFile(file)
		_, rest, ok := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(d.cmd.Process.Pid) || fields[0] == "Z" {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		args := strings.Split(string(line), "\x00")
		if len(args) > 1 && args[1] == "expert-node" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			found[pid] = args
		}
	}
	return found
}

// victim is one expert node, another one in each trial: the figures are of all nodes.
func (d *deployment) victim(trial int) (int, error) {
	nodes := d.expertNodes()
	if len(nodes) != d.nodes {
		return 0, fmt.Errorf("%d expert nodes run, want %d", len(nodes), d.nodes)
	}
	name := fmt.Sprintf("expert-node-%d", trial%d.nodes)
	for pid, args := range nodes {
		if slices.Contains(args, name) {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process %s", name)
}

// do does one fault and returns how to undo it, or to wait for its end.
func (d *deployment) do(kind string, trial int, watch time.Duration) (undo func() error, err error) {
	nothing := func() error { return nil }
	if kind == "none" {
		return nothing, nil
	}
	if kind == "move" {
		return d.move(watch)
	}
	pid, err := d.victim(trial)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "kill", "only-owner":
		return nothing, syscall.Kill(pid, syscall.SIGKILL)
	case "freeze":
		return func() error { return syscall.Kill(pid, syscall.SIGCONT) }, syscall.Kill(pid, syscall.SIGSTOP)
	case "slow":
		done := make(chan struct{})
		go crawl(pid, done)
		return func() error { close(done); return nil }, nil
	}
	return nil, fmt.Errorf("unknown kind %q", kind)
}

// crawl lets a process run for a tenth of the time, in pieces of 10 ms.
func crawl(pid int, done <-chan struct{}) {
	for {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(90 * time.Millisecond)
		_ = syscall.Kill(pid, syscall.SIGCONT)
		select {
		case <-done:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// settle waits until all expert nodes are back and hold what they shall.
func (d *deployment) settle(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if ready, err := d.metric("olmoe_dispatch_nodes_ready"); err == nil && int(ready) == d.nodes && len(d.expertNodes()) == d.nodes {
			covered, err := d.metric("olmoe_dispatch_experts_covered")
			if doc, derr := d.document(); err == nil && derr == nil && int(covered) == doc.Serving.Layers*doc.Serving.Experts {
				return nil
			}
		}
	}
	return errors.New("the expert nodes are not back after a minute")
}

// metric reads one of the router's metrics.
func (d *deployment) metric(name string) (float64, error) {
	value, err := 0.0, fmt.Errorf("no metric %s", name)
	if failed := bench.Samples(context.Background(), d.url, func(n string, v float64) {
		if n == name {
			value, err = v, nil
		}
	}); failed != nil {
		return 0, failed
	}
	return value, err
}

// placementFile is where the processes read their placement.
func (d *deployment) placementFile() (string, error) {
	for _, args := range d.expertNodes() {
		if i := slices.Index(args, "--placement"); i >= 0 {
			return args[i+1], nil
		}
	}
	return "", errors.New("no expert node runs")
}

func (d *deployment) document() (*placement.Document, error) {
	file, err := d.placementFile()
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc := &placement.Document{}
	return doc, json.Unmarshal(raw, doc)
}
