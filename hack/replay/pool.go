package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// pool is expert-node processes, each with a capacity of its own.
type pool struct{ nodes []*node }

type node struct {
	name, address string
	cmd           *exec.Cmd
	group         *group // nil: no limit
}

func startPool(ctx context.Context, o *options) (*pool, error) {
	p := &pool{}
	for i := range o.nodes {
		n, err := startNode(ctx, o, "expert-node-"+strconv.Itoa(i))
		if err != nil {
			p.stop()
			return nil, err
		}
		p.nodes = append(p.nodes, n)
	}
	return p, nil
}

func startNode(ctx context.Context, o *options, name string) (*node, error) {
	n := &node{name: name, cmd: exec.CommandContext(ctx, o.program, "expert-node", "--name", name, "--model", o.model, //nolint:gosec // flags
		"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", "1", "--drain-timeout", "1s", "--log-level", "error")}
	n.cmd.Stderr = os.Stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if o.cores > 0 {
		if n.group, err = newGroup(fmt.Sprintf("olmoe-replay-%d-%s", os.Getpid(), name), o.cores); err != nil {
			return nil, err
		}
	}
	if err := n.cmd.Start(); err != nil {
		n.stop()
		return nil, err
	}
	if n.group != nil {
		err = n.group.add(n.cmd.Process.Pid)
	}
	var a local.Announcement
	if err == nil {
		err = json.NewDecoder(bufio.NewReader(out)).Decode(&a)
	}
	if err != nil {
		n.stop()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n.address = a.GRPC
	return n, nil
}

// stop ends what has been started, at once: nobody waits for answers any more.
func (n *node) stop() {
	if n.cmd.Process != nil {
		_ = n.kill()
	}
	if n.group != nil {
		n.group.remove()
	}
}

// kill ends the process without a chance to say goodbye.
func (n *node) kill() error {
	if err := n.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = n.cmd.Wait() // it was killed
	return nil
}

func (p *pool) stop() {
	for _, n := range p.nodes {
		n.stop()
	}
}

func (p *pool) members() (list []placement.Node) {
	for _, n := range p.nodes {
		list = append(list, placement.Node{Name: n.name, Address: n.address})
	}
	return list
}

func (p *pool) pods() (list []fleet.Pod) {
	for _, n := range p.nodes {
		list = append(list, fleet.Pod{Name: n.name, Address: n.address})
	}
	return list
}
