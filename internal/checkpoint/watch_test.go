package checkpoint_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

const (
	watchEvery  = 2 * time.Millisecond
	watchSettle = 40 * time.Millisecond // 20 looks: a repeated report would show
)

// watched collects what Watch reports after change was made.
func watched(t *testing.T, dir string, change func(dir string)) []error {
	t.Helper()
	c := open(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var seen []error
	var wg sync.WaitGroup
	wg.Go(func() {
		c.Watch(ctx, watchEvery, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, err)
		})
	})
	time.Sleep(5 * watchEvery)
	change(dir)
	time.Sleep(watchSettle)
	stop()
	wg.Wait()
	return seen
}

// must makes a file operation fail the test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// poke overwrites bytes of a file in place.
func poke(t *testing.T, path string, at int64, data string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte(data), at)
	must(t, err)
	must(t, f.Close())
}

func TestWatch(t *testing.T) {
	const file, second = "model.safetensors", "model-00002-of-00002.safetensors"
	for _, c := range []struct {
		name   string
		shards int
		change func(t *testing.T, dir string)
		kind   error // nil: nothing may be reported
		file   string
	}{
		{"nothing happens", 0, func(*testing.T, string) {}, nil, ""},
		{"truncated", 0, func(t *testing.T, dir string) { must(t, os.Truncate(weights(dir), 3000)) }, checkpoint.ErrChanged, file},
		{"grown", 0, func(t *testing.T, dir string) { must(t, os.Truncate(weights(dir), 1<<20)) }, checkpoint.ErrChanged, file},
		{"written in place", 0, func(t *testing.T, dir string) { poke(t, weights(dir), 5000, "xyz") }, checkpoint.ErrChanged, file},
		{"written in place, time restored", 0, func(t *testing.T, dir string) {
			info, err := os.Stat(weights(dir))
			must(t, err)
			data, err := os.ReadFile(weights(dir))
			must(t, err)
			for i := range data {
				data[i] ^= 1
			}
			poke(t, weights(dir), 0, string(data))
			must(t, os.Chtimes(weights(dir), info.ModTime(), info.ModTime()))
		}, checkpoint.ErrChanged, file},
		{"second shard truncated", 2, func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, second), 9000)) }, checkpoint.ErrChanged, second},
		{"renamed over", 0, func(t *testing.T, dir string) { writeFile(t, weights(dir), []byte("new")) }, checkpoint.ErrReplaced, file},
		{"renamed away", 0, func(t *testing.T, dir string) { must(t, os.Rename(weights(dir), weights(dir)+".old")) }, checkpoint.ErrReplaced, file},
		{"deleted", 0, func(t *testing.T, dir string) { must(t, os.Remove(weights(dir))) }, checkpoint.ErrReplaced, file},
		{"second shard deleted", 2, func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, second))) }, checkpoint.ErrReplaced, second},
		{"config rewritten", 0, func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "config.json"), []byte("{}")) }, checkpoint.ErrReplaced, "config.json"},
		{"index appears", 0, func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "model.safetensors.index.json"), []byte("{}"))
		}, checkpoint.ErrReplaced, "model.safetensors.index.json"},
		{"mode changed", 0, func(t *testing.T, dir string) { must(t, os.Chmod(weights(dir), 0o600)) }, nil, ""},
		{"hard link made", 0, func(t *testing.T, dir string) { must(t, os.Link(weights(dir), dir+"/copy")) }, nil, ""},
		{"read again", 0, func(t *testing.T, dir string) { _, err := os.ReadFile(weights(dir)); must(t, err) }, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := mini()
			o.Shards = c.shards
			seen := watched(t, write(t, o), func(dir string) { c.change(t, dir) })
			switch {
			case c.kind == nil && len(seen) > 0:
				t.Errorf("reported %v", seen)
			case c.kind != nil && len(seen) != 1:
				t.Errorf("reported %v, want one error", seen)
			case c.kind != nil:
				wantError(t, seen[0], c.kind, c.file)
			}
		})
	}
}

// The kinds must be told apart: one stops a pod, the other does not.
func TestReplacedIsNotChanged(t *testing.T) {
	seen := watched(t, write(t, mini()), func(dir string) { must(t, os.Remove(weights(dir))) })
	if len(seen) != 1 || errors.Is(seen[0], checkpoint.ErrChanged) {
		t.Errorf("reported %v", seen)
	}
}

// What was replaced goes on being served from the old file.
func TestMappingOutlivesReplacement(t *testing.T) {
	dir := write(t, mini())
	c := open(t, dir)
	w, err := c.Tensor(checkpoint.FinalNorm)
	must(t, err)
	before := string(w.Data)
	writeFile(t, weights(dir), []byte("something else"))
	must(t, c.Load(t.Context(), all(t, c)...))
	if string(w.Data) != before {
		t.Error("the view changed")
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	c := open(t, write(t, mini()))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c.Watch(ctx, time.Hour, func(err error) { t.Error(err) })
}
