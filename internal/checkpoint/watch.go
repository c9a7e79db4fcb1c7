package checkpoint

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watch looks at the files every interval until ctx ends and reports what
// happened to them, each thing once per file:
//
//   - ErrChanged: a mapped file was written, truncated or can no longer be
//     examined. What is in memory may be anything: stop serving.
//   - ErrReplaced: the path was renamed over or deleted, or a JSON file beside
//     it differs. The mapping still holds the old file: warn, and go on.
//
// A write leaves no trace only if it also restores the modification time and
// spares the sampled bytes of the fingerprint (docs/adr/0013).
func (c *Checkpoint) Watch(ctx context.Context, interval time.Duration, report func(error)) {
	w := c.newWatcher()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		for _, err := range w.check() {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Unchanged tells whether what was read up to now is what the files held when they
// were opened. What is made of weights may be kept only then. It may be called at any
// time, after Close as well, when nobody knows.
func (c *Checkpoint) Unchanged() bool {
	c.closing.Lock()
	defer c.closing.Unlock()
	for _, s := range c.shards {
		if (&watchedShard{s, s.base}).changed() != nil {
			return false
		}
	}
	return len(c.shards) > 0
}

// watcher remembers what was reported.
type watcher struct {
	shards   []*watchedShard
	side     []sideFile
	joined   Mapped
	reported map[string]bool // kind and path
}

// watchedShard is a mapped file and its last known state.
type watchedShard struct {
	*shard
	known unix.Stat_t
}

func (c *Checkpoint) newWatcher() *watcher {
	w := &watcher{side: c.side, joined: c.joined, reported: map[string]bool{}}
	for _, s := range c.shards {
		w.shards = append(w.shards, &watchedShard{s, s.base})
	}
	return w
}

// check returns what is new since the last call.
func (w *watcher) check() []error {
	var found []error
	add := func(e *Error) {
		if e != nil && !w.reported[e.Kind.Error()+e.Path] {
			w.reported[e.Kind.Error()+e.Path] = true
			found = append(found, e)
		}
	}
	for _, s := range w.shards {
		add(s.changed())
		add(s.replaced())
	}
	for i := range w.side {
		add(w.side[i].replaced())
	}
	if w.joined != nil {
		for _, path := range w.joined.Changed() {
			add(&Error{Kind: ErrChanged, Path: path, Problem: "was modified while in use; a restart makes it again"})
		}
	}
	return found
}

// changed compares the open file with what was mapped.
func (s *watchedShard) changed() *Error {
	problem := func(text string, cause error) *Error {
		return &Error{Kind: ErrChanged, Path: s.path, Problem: text, Cause: cause}
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(s.file.Fd()), &now); err != nil {
		return problem("can no longer be examined", err)
	}
	switch {
	case now.Size < s.known.Size:
		return problem("was truncated while in use; restart with a whole checkpoint", nil)
	case now.Size != s.known.Size, now.Mtim != s.known.Mtim:
		return problem("was modified while in use; restart to read the new weights", nil)
	case now.Ctim == s.known.Ctim:
		return nil
	}
	// Only the inode changed: a rename, a new link, owner, mode or label, or a
	// write that put the modification time back. The samples tell them apart.
	if sum, err := s.contentSum(); err != nil || sum != s.sum {
		return problem("was modified while in use, its modification time restored; restart to read the new weights", err)
	}
	s.known = now
	return nil
}

// replaced compares the path with the open file.
func (s *watchedShard) replaced() *Error {
	info, err := os.Stat(s.path)
	if err == nil && sameInode(info, s.base) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return replacedError(s.path, err)
}

// replacedError says that a path no longer names the file that is in use.
func replacedError(path string, missing error) *Error {
	problem := "was replaced; the old file stays in use until a restart"
	if missing != nil {
		problem = "was deleted; the old file stays in use, a restart will not find it"
	}
	return &Error{Kind: ErrReplaced, Path: path, Problem: problem}
}

// sameInode reports whether info describes the file of base.
func sameInode(info fs.FileInfo, base unix.Stat_t) bool {
	now, ok := info.Sys().(*syscall.Stat_t)
	return ok && now.Dev == base.Dev && now.Ino == base.Ino
}
