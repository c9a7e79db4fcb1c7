package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// readPiece is what a thread reads before it takes the next piece.
const readPiece = 4 << 20

// drop takes files out of the page cache. The kernel keeps what is not written yet, hence
// the sync, and what a process has mapped.
func drop(paths []string) error {
	for _, path := range paths {
		f, err := os.Open(path) //nolint:gosec // of the model
		if err != nil {
			return err
		}
		err = errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close()) //nolint:gosec // a descriptor fits
		if err != nil {
			return fmt.Errorf("%s: drop from the page cache: %w", path, err)
		}
	}
	return nil
}

// piece is a part of a file.
type piece struct {
	file *os.File
	at   int64
}

// readAll reads files with so many threads, and tells how long that took and how much it is.
func readAll(ctx context.Context, paths []string, threads int) (seconds float64, bytes int64, err error) {
	var pieces []piece
	for _, path := range paths {
		f, err := os.Open(path) //nolint:gosec // of the model
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return 0, 0, err
		}
		for at := int64(0); at < info.Size(); at += readPiece {
			pieces = append(pieces, piece{f, at})
		}
	}
	start := time.Now()
	bytes, err = readPieces(ctx, pieces, threads)
	return time.Since(start).Seconds(), bytes, err
}

// readPieces has every thread take the next piece that nobody has.
func readPieces(ctx context.Context, pieces []piece, threads int) (int64, error) {
	var next, bytes atomic.Int64
	var g errgroup.Group
	for range threads {
		g.Go(func() error {
			buf := make([]byte, readPiece)
			for i := next.Add(1) - 1; i < int64(len(pieces)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				n, err := pieces[i].file.ReadAt(buf, pieces[i].at)
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				bytes.Add(int64(n))
			}
			return ctx.Err()
		})
	}
	err := g.Wait()
	return bytes.Load(), err
}
