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

	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/pace"
)

// chunk is the unit of reading, writing and checking: a whole huge page, which the
// kernel keeps as one only if it is written at once, and about a millisecond of one core.
const chunk = mem.HugePage

// Load returns a part of n bytes, or nil if there is none to be had. Free gives it
// back, after the last use.
func (c *Cache) Load(ctx context.Context, name string, n int, p *pace.Pace) []byte {
	if c == nil {
		return nil
	}
	outcome := Miss
	for _, from := range c.folders {
		part, err := c.load(ctx, from, name, n, p)
		switch {
		case err == nil:
			c.counts[Hit].Add(1)
			return part
		case ctx.Err() != nil:
			return nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // there is one
			c.log.Info("cached weights are of no use and are made again", "file", filepath.Join(from.dir, name), "reason", err.Error())
			outcome = Damaged
		}
	}
	c.counts[outcome].Add(1)
	return nil
}

// load brings a file's part into memory and checks it.
func (c *Cache) load(ctx context.Context, from *folder, name string, n int, p *pace.Pace) ([]byte, error) {
	f, err := os.OpenFile(filepath.Join(from.dir, name), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO has no writer to wait for: readFooter refuses it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	foot, err := readFooter(f)
	if err != nil {
		return nil, err
	}
	if foot.id != partID(c.key, name) || foot.size != uint64(n) { //nolint:gosec // a size is not negative
		return nil, errOther
	}
	if from.maps(n) {
		switch part, err := c.mapPart(ctx, f, foot, p); {
		case errors.Is(err, errUnmapped):
			from.way.Store(reading)
		case err != nil || from.huge(part):
			return part, err
		default:
			c.Free(part)
		}
	}
	return readPart(ctx, f, foot, p)
}

// readPart reads a part into memory of its own.
func readPart(ctx context.Context, f *os.File, foot footer, p *pace.Pace) (part []byte, err error) {
	if part, err = mem.Allocate(int(foot.size)); err != nil { //nolint:gosec // it is what was asked for
		return nil, err
	}
	err = foot.check(ctx, part, p, func(piece []byte) error {
		_, err := io.ReadFull(f, piece)
		return err
	})
	if err != nil {
		mem.Free(part)
		return nil, err
	}
	return part, nil
}

// check goes over a part in pieces, each of which bring makes readable, and compares its
// digest.
func (f footer) check(ctx context.Context, part []byte, p *pace.Pace, bring func(piece []byte) error) error {
	var d digest
	for rest := part; len(rest) > 0; {
		piece := rest[:min(chunk, len(rest))]
		if err := bring(piece); err != nil {
			return fmt.Errorf("cannot be read to its end: %w", err)
		}
		d.add(piece)
		rest = rest[len(piece):]
		if err := p.Rest(ctx); err != nil {
			return err
		}
	}
	if d.sum() != f.sum {
		return errDamaged
	}
	return nil
}

// readFooter reads the end of a file, of which there is no more than the part and it.
func readFooter(f *os.File) (foot footer, err error) {
	info, err := f.Stat()
	if err != nil {
		return foot, err
	}
	if !info.Mode().IsRegular() || info.Size() < footerSize {
		return foot, errFormat
	}
	b := make([]byte, footerSize)
	if _, err := f.ReadAt(b, info.Size()-footerSize); err != nil && !errors.Is(err, io.EOF) {
		return foot, err
	}
	if foot, err = decode(b); err == nil && foot.size != uint64(info.Size()-footerSize) { //nolint:gosec // at least 0
		err = errCut
	}
	return foot, err
}
