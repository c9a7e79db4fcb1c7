package podctl

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

func put(t *testing.T, file string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The first document is seen within a tenth of a second, a later one within a second;
// a pod without a file looks for none.
func TestFilesAreSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		file := filepath.Join(t.TempDir(), "placement.json")
		w := NewWatcher(file, shape, logr.Discard(), func(*placement.Document) {})
		go w.Run(ctx)
		newest := func() int64 {
			synctest.Wait()
			if d, _ := w.Newest(); d != nil {
				return d.Revision
			}
			return 0
		}
		time.Sleep(10*time.Second + firstInterval/2)
		for revision, within := range []time.Duration{firstInterval, pollInterval} {
			put(t, file, encode(t, document(int64(revision+1))))
			time.Sleep(within)
			if got := newest(); got != int64(revision+1) {
				t.Errorf("%s after revision %d was written, the pod has %d", within, revision+1, got)
			}
		}
		put(t, file, encode(t, document(3)))
		time.Sleep(pollInterval / 2)
		if got := newest(); got != 2 {
			t.Errorf("half a second after a change, the pod has revision %d: it looks too often", got)
		}
		NewWatcher("", shape, logr.Discard(), nil).Run(ctx)
	})
}

// A file that stays as it was says nothing new: why a sent document was refused is
// still told.
func TestFileThatStaysIsNotTakenAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "placement.json")
	put(t, file, encode(t, document(1)))
	w := NewWatcher(file, shape, logr.Discard(), func(*placement.Document) {})
	w.poll()
	if err := w.Apply([]byte("[]")); err == nil {
		t.Fatal("a list is a document")
	}
	w.poll()
	if _, problem := w.Newest(); !strings.Contains(problem, "sent to the control port") {
		t.Errorf("problem %q, want the document that was sent", problem)
	}
}

// The log has a line for each document in force, and one for what is refused, however
// often it is found.
func TestLogOfDocuments(t *testing.T) {
	var log []string
	file := filepath.Join(t.TempDir(), "placement.json")
	w := NewWatcher(file, shape, funcr.New(func(_, line string) { log = append(log, line) }, funcr.Options{}), func(*placement.Document) {})
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.poll()
	}
	for range 2 {
		if err := w.Apply(encode(t, document(5))); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"placement refused", `"revision"=5 "serving"=3 "target"=0`}
	if len(log) != len(want) || !strings.Contains(log[0], want[0]) || !strings.Contains(log[1], want[1]) {
		t.Errorf("log %q, want %q", log, want)
	}
}
