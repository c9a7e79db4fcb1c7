package weightcache

import (
	"context"
	"os"
	"path/filepath"

	"github.com/olmoe-serving/olmoe-operator/internal/pace"
)

// temporary ends the names of files that are being written.
const temporary = ".tmp"

// Store keeps a part. What prevents it is said in the log, once; from then on
// nothing is kept.
func (c *Cache) Store(ctx context.Context, name string, data []byte, p *pace.Pace) {
	if c == nil || c.failed.Load() {
		return
	}
	err := os.MkdirAll(c.own(), 0o755)
	if err == nil {
		err = c.room(len(data))
	}
	if err == nil {
		if err = c.put(ctx, name, data, p); err != nil {
			c.used.Add(-onDisk(int64(len(data))))
		}
	}
	switch {
	case err == nil:
		c.counts[Kept].Add(1)
	case ctx.Err() == nil && c.failed.CompareAndSwap(false, true):
		c.log.Info("weights made here cannot be kept for the next start, which will make them again", "dir", c.own(), "reason", err.Error())
	}
}

// put makes the file under another name first. It is not synced: what a crash
// leaves of it does not match its digest.
func (c *Cache) put(ctx context.Context, name string, data []byte, p *pace.Pace) (err error) {
	f, err := os.CreateTemp(c.own(), name+".*"+temporary)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	for rest := data; len(rest) > 0; {
		n, err := f.Write(rest[:min(chunk, len(rest))])
		if err != nil {
			return err
		}
		rest = rest[n:]
		if err := p.Rest(ctx); err != nil {
			return err
		}
	}
	foot := footer{sum: digestOf(data).sum(), size: uint64(len(data)), id: partID(c.key, name)}
	if _, err := f.Write(foot.encode()); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // for pods that run as somebody else
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(c.own(), name))
}
