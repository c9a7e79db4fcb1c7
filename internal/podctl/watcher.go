package podctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// pollInterval of the file: at most a second between a changed mount and its effect;
// reading some 100 kB a second costs nothing.
const pollInterval = time.Second

// firstInterval, until there is a document: a pod that starts before its file is
// written should not lose most of a second.
const firstInterval = 100 * time.Millisecond

// Watcher keeps the newest placement document that the pod was given, by file or
// by Apply; the highest revision wins, so the two may come in any order
// (invariant 4: either alone is enough).
type Watcher struct {
	file     string
	shape    Shape
	onChange func(*placement.Document)
	log      logr.Logger

	mu      sync.Mutex // held while onChange runs, so that it sees documents in order
	newest  *placement.Document
	problem string // where the last document came from and why it was refused; "" = it was not
	seen    []byte // the file's content when last read
}

// NewWatcher makes a watcher of a file (may be "" and need not exist yet).
// onChange gets each newer document, one call at a time, and must not block.
func NewWatcher(file string, s Shape, log logr.Logger, onChange func(*placement.Document)) *Watcher {
	return &Watcher{file: file, shape: s, onChange: onChange, log: log}
}

// Run polls the file until ctx ends; the first look comes at once.
func (w *Watcher) Run(ctx context.Context) {
	if w.file == "" {
		return
	}
	for {
		w.poll()
		pause := pollInterval
		if d, _ := w.Newest(); d == nil {
			pause = firstInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// poll applies the file if its content is new. A file that is missing or being
// replaced keeps what the pod has: never less than before.
func (w *Watcher) poll() {
	raw, err := readBounded(w.file)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			w.seen = nil // the same content, when it can be read again, is no longer a problem
			w.refuse(err)
		}
		return
	}
	if w.seen != nil && bytes.Equal(raw, w.seen) {
		return
	}
	w.seen = raw
	if err := w.take(raw); err != nil {
		w.refuse(fmt.Errorf("%s: %w", w.file, err))
	}
}

// readBounded reads at most one byte more than a document may have.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's flag
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, MaxDocument+1))
}

// Apply takes a document that was sent. One that is not newer is ignored; one that does
// not fit the pod is refused with an error that says why, and the pod goes on as it was.
func (w *Watcher) Apply(raw []byte) error {
	err := w.take(raw)
	if err != nil {
		w.refuse(fmt.Errorf("sent to the control port: %w", err))
	}
	return err
}

// take is Apply for a document from anywhere; what it refuses is not noted.
func (w *Watcher) take(raw []byte) error {
	d, err := w.shape.parse(raw)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problem = ""
	if w.newest != nil && d.Revision <= w.newest.Revision {
		return nil
	}
	w.newest = d
	w.log.Info("placement", "revision", d.Revision, "serving", epoch(d.Serving), "target", epoch(d.Target))
	w.onChange(d)
	return nil
}

func (w *Watcher) refuse(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.problem != err.Error() {
		w.log.Error(err, "placement refused")
	}
	w.problem = err.Error()
}

// Newest is the document in force (nil before the first) and why a later one was refused.
func (w *Watcher) Newest() (*placement.Document, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newest, w.problem
}

// Explain adds to why a pod is not ready that a document was refused, if the last one
// was: the pod may be waiting for what it said.
func (w *Watcher) Explain(problem string) string {
	_, refused := w.Newest()
	if refused == "" {
		return problem
	}
	return problem + "; a placement document was refused: " + refused + "; one that fits this pod's model is taken as soon as it is there"
}

// epoch of a placement; 0 for none.
func epoch(p *placement.Placement) int64 {
	if p == nil {
		return 0
	}
	return p.Epoch
}
