package bench

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// openTiny makes a small model that has 8-bit weights beside it already.
func openTiny(t *testing.T, weights checkpoint.Weights) StartOptions {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := synth.Write(dir, synth.Tiny()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, ".int8"), 0o755); err != nil {
		t.Fatal(err)
	}
	ck, err := checkpoint.OpenAs(dir, weights)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ck.Close() })
	return StartOptions{Runs: 2, Checkpoint: ck, Model: dir, Folder: t.TempDir(), Nodes: 2, Threads: 3}
}

// Weights are made where none are kept, then read from what the start before has kept; of
// that nothing is left.
func TestStarts(t *testing.T) {
	url := httptest.NewServer(&router{})
	defer url.Close()
	o := openTiny(t, checkpoint.Int8)
	parts, starts := keptParts(o.Checkpoint), 0
	o.Serve = func(ctx context.Context, model, cache string, use func(context.Context, string) error) error {
		if _, err := os.Stat(filepath.Join(model, ".int8")); err == nil {
			t.Error("a start finds what is kept beside the model")
		}
		if _, err := checkpoint.Open(model); err != nil {
			t.Error(err)
		}
		kept := len(weightcache.Parts(cache))
		if want := starts % 2 * parts; kept != want {
			t.Errorf("start %d finds %d parts, want %d", starts, kept, want)
		}
		if starts++; kept == 0 {
			keepSome(t, cache, parts)
		}
		return use(ctx, url.URL)
	}
	got, err := Starts(t.Context(), o)
	if err != nil || len(got) != 2 || starts != 4 {
		t.Fatalf("%+v after %d starts, %v; want two kinds, twice", got, starts, err)
	}
	for i, kind := range []string{StartMade, StartKept} {
		if s := got[i]; s.Kind != kind || s.Weights != "int8" || s.Nodes != 2 || s.Seconds <= 0 || s.ReadSeconds <= 0 || s.OfReading <= 0 {
			t.Errorf("%+v, want %s", s, kind)
		}
	}
	if info, err := os.Stat(o.Checkpoint.Files()[0]); err != nil || got[0].ReadBytes != info.Size() || got[1].ReadBytes != int64(3*parts) {
		t.Errorf("%d and %d bytes are read of %d and %d, %v", got[0].ReadBytes, got[1].ReadBytes, info.Size(), 3*parts, err)
	}
	if left, _ := os.ReadDir(o.Folder); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func keepSome(t *testing.T, cache string, n int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(cache, "key"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(cache, "key", "part-"+strconv.Itoa(i)), []byte("123"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Weights as stored start in one way; a start that fails is told, and leaves nothing.
func TestStartsAsStored(t *testing.T) {
	url := httptest.NewServer(&router{})
	defer url.Close()
	o := openTiny(t, checkpoint.AsStored)
	o.Serve = func(ctx context.Context, _, _ string, use func(context.Context, string) error) error {
		return use(ctx, url.URL)
	}
	if got, err := Starts(t.Context(), o); err != nil || len(got) != 1 || got[0].Kind != StartStored {
		t.Errorf("%+v, %v", got, err)
	}
	failed := errors.New("no port")
	o.Serve = func(context.Context, string, string, func(context.Context, string) error) error { return failed }
	if _, err := Starts(t.Context(), o); !errors.Is(err, failed) {
		t.Errorf("a start that fails: %v", err)
	}
	if left, _ := os.ReadDir(o.Folder); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// Files that are being written do not count, and a disk without room ends the wait.
func TestAwaitKept(t *testing.T) {
	cache := t.TempDir()
	keepSome(t, cache, 2)
	if err := os.WriteFile(filepath.Join(cache, "key", "part.7.tmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := awaitKept(t.Context(), cache, 2); err != nil {
			t.Error(err)
		}
		if err := awaitKept(t.Context(), cache, 3); err == nil || !strings.Contains(err.Error(), "keeps 2 of 3 parts") {
			t.Errorf("of three: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := awaitKept(ctx, cache, 3); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	})
}
