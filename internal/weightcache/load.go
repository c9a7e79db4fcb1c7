package weightcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/olmoe-serving/olmoe-operator/internal/pace"
)

// chunk is the unit of reading and writing: it is checked while it is in the
// CPU's cache, and takes less than a millisecond of one core.
const chunk = 1 << 20

// Load fills into with a part and tells whether it could. If not, into may hold
// anything.
func (c *Cache) Load(ctx context.Context, name string, into []byte, p *pace.Pace) bool {
	if c == nil {
		return false
	}
	outcome := Miss
	for _, dir := range c.dirs {
		err := c.read(ctx, filepath.Join(dir, name), name, into, p)
		switch {
		case err == nil:
			c.counts[Hit].Add(1)
			return true
		case ctx.Err() != nil:
			return false
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // there is one
			c.log.Info("cached weights are of no use and are made again", "file", filepath.Join(dir, name), "reason", err.Error())
			outcome = Damaged
		}
	}
	c.counts[outcome].Add(1)
	return false
}

// read reads and checks a file.
func (c *Cache) read(ctx context.Context, path, name string, into []byte, p *pace.Pace) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h, err := readHeader(f)
	if err != nil {
		return err
	}
	if h.id != partID(c.key, name) || h.size != uint64(len(into)) {
		return errOther
	}
	var d digest
	for rest := into; len(rest) > 0; {
		piece := rest[:min(chunk, len(rest))]
		if _, err := io.ReadFull(f, piece); err != nil {
			return fmt.Errorf("cannot be read to its end: %w", err)
		}
		d.add(piece)
		rest = rest[len(piece):]
		if err := p.Rest(ctx); err != nil {
			return err
		}
	}
	if d.sum() != h.sum {
		return errDamaged
	}
	return nil
}

func readHeader(f *os.File) (header, error) {
	info, err := f.Stat()
	if err != nil {
		return header{}, err
	}
	if !info.Mode().IsRegular() {
		return header{}, errFormat
	}
	b := make([]byte, headerSize)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	return decode(b[:n])
}
