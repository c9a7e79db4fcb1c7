package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// quotaPeriod is how often a process gets its share of CPU time anew: short, so
// that a node is slow all the time and not fast and then stopped.
const quotaPeriod = 10 * time.Millisecond

// group is a control group with a limit of CPU time: what makes a process of a
// machine with few cores a machine of its own.
type group struct{ dir string }

// cgroups is where control groups are: of version 2 if it has the file, else of
// version 1 by controller.
const cgroups = "/sys/fs/cgroup"

// newGroup makes a group that may use so many cores. It takes root.
func newGroup(name string, cores float64) (*group, error) {
	period := quotaPeriod.Microseconds()
	quota := int64(cores * float64(period))
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.controllers")); err == nil {
		_ = os.WriteFile(filepath.Join(cgroups, "cgroup.subtree_control"), []byte("+cpu"), 0o600) // may be so already
		return makeGroup(filepath.Join(cgroups, name), [][2]string{{"cpu.max", fmt.Sprintf("%d %d", quota, period)}})
	}
	return makeGroup(filepath.Join(cgroups, "cpu", name), [][2]string{
		{"cpu.cfs_period_us", strconv.FormatInt(period, 10)}, {"cpu.cfs_quota_us", strconv.FormatInt(quota, 10)},
	})
}

func makeGroup(dir string, settings [][2]string) (*group, error) {
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("control group: %w: run as root, or without --cores", err)
	}
	g := &group{dir}
	for _, s := range settings {
		if err := os.WriteFile(filepath.Join(dir, s[0]), []byte(s[1]), 0o600); err != nil {
			g.remove()
			return nil, fmt.Errorf("control group: %w", err)
		}
	}
	return g, nil
}

// add limits a process, all its threads.
func (g *group) add(pid int) error {
	return os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600)
}

// remove takes the group away; its processes have ended.
func (g *group) remove() { _ = os.Remove(g.dir) }
