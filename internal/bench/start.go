package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// Start is the time from the start of a router and expert nodes until they have answered,
// against reading the same files: medians of runs in turns, each with its files not in the
// page cache.
type Start struct {
	Kind        string  `json:"kind"` // made, kept or stored
	Weights     string  `json:"weights"`
	Nodes       int     `json:"nodes"`
	Seconds     float64 `json:"seconds_p50"`
	ReadSeconds float64 `json:"read_seconds_p50"`
	ReadBytes   int64   `json:"read_bytes"`
	OfReading   float64 `json:"of_reading"` // the median of the runs' own
}

// Kinds of a start.
const (
	StartMade   = "made"   // 8-bit weights, from the checkpoint's
	StartKept   = "kept"   // 8-bit weights, from those that a start before has kept
	StartStored = "stored" // weights as the checkpoint has them
)

// StartOptions say what to start.
type StartOptions struct {
	Runs       int
	Checkpoint *checkpoint.Checkpoint
	Model      string // its folder
	Folder     string // where 8-bit weights are kept meanwhile
	Nodes      int
	Threads    int // that read files in a start, of all processes together
	// Serve starts all processes on a model, with a folder that keeps weights, calls use
	// with the router's URL once it is ready, and then ends them.
	Serve func(ctx context.Context, model, cache string, use func(ctx context.Context, url string) error) error
}

// starter measures starts.
type starter struct {
	StartOptions
	files []string // of the checkpoint's weights
	parts int      // files that keep them in 8 bits
	times map[string]*startTimes
}

// startTimes are those of all runs of a kind.
type startTimes struct {
	seconds, reading, ratios []float64
	bytes                    int64
}

// Starts measures each kind that the checkpoint's weights can have.
func Starts(ctx context.Context, o StartOptions) ([]Start, error) {
	s := &starter{StartOptions: o, files: o.Checkpoint.Files(), parts: keptParts(o.Checkpoint), times: map[string]*startTimes{}}
	for range o.Runs {
		if err := s.run(ctx); err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
	}
	var starts []Start
	for _, kind := range []string{StartMade, StartKept, StartStored} {
		if t := s.times[kind]; t != nil {
			starts = append(starts, Start{
				Kind: kind, Weights: string(o.Checkpoint.Weights()), Nodes: o.Nodes, Seconds: median(t.seconds),
				ReadSeconds: median(t.reading), ReadBytes: t.bytes, OfReading: median(t.ratios),
			})
		}
	}
	return starts, nil
}

// run starts once of each kind. The model is seen through links in a folder of the run's
// own, so that weights which are kept beside the real one are not found.
func (s *starter) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(s.Folder, "olmoe-start-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := link(s.Model, dir); err != nil {
		return err
	}
	cache := filepath.Join(dir, "kept")
	if s.parts == 0 {
		return s.one(ctx, StartStored, s.files, dir, cache, func(context.Context) error { return nil })
	}
	keep := func(ctx context.Context) error { return awaitKept(ctx, cache, s.parts) }
	if err := s.one(ctx, StartMade, s.files, dir, cache, keep); err != nil {
		return err
	}
	if err := drop(s.files); err != nil { // the kept start reads little of them, but that from the disk
		return err
	}
	return s.one(ctx, StartKept, weightcache.Parts(cache), dir, cache, func(context.Context) error { return nil })
}

// one reads the files of a start and starts, neither with a file in the page cache; then
// it waits until the processes may end.
func (s *starter) one(ctx context.Context, kind string, files []string, model, cache string, then func(context.Context) error) error {
	if err := drop(files); err != nil {
		return err
	}
	reading, bytes, err := readAll(ctx, files, s.Threads)
	if err != nil {
		return err
	}
	if err := drop(files); err != nil {
		return err
	}
	start := time.Now()
	return s.Serve(ctx, model, cache, func(ctx context.Context, url string) error {
		c := client{url: url}
		if _, err := c.stream(ctx, []int32{1}, 1); err != nil {
			return err
		}
		s.add(kind, time.Since(start).Seconds(), reading, bytes)
		return then(ctx)
	})
}

func (s *starter) add(kind string, seconds, reading float64, bytes int64) {
	t := s.times[kind]
	if t == nil {
		t = &startTimes{}
		s.times[kind] = t
	}
	t.seconds, t.reading = append(t.seconds, seconds), append(t.reading, reading)
	t.ratios, t.bytes = append(t.ratios, seconds/reading), bytes
}

// link makes a folder that has the files of another.
func link(from, to string) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// keptParts is how many files keep a checkpoint's 8-bit weights: one for each expert and
// each matrix of the trunk. None are kept of weights as stored.
func keptParts(ck *checkpoint.Checkpoint) (n int) {
	if ck.Weights() != checkpoint.Int8 {
		return 0
	}
	for _, spec := range ck.Config().Tensors() {
		if !checkpoint.IsExpertTensor(spec.Name) && ck.Quantised(spec.Name) {
			n++
		}
	}
	return n + ck.Config().NumLayers*ck.Config().NumExperts
}

const (
	keptPoll = 100 * time.Millisecond
	// keptPatience is for one more file: they are written in seconds, unless there is no
	// room for them.
	keptPatience = time.Minute
)

// awaitKept waits until all weights are kept.
func awaitKept(ctx context.Context, cache string, parts int) error {
	seen, since := -1, time.Now()
	for {
		n := len(weightcache.Parts(cache))
		switch {
		case n == parts:
			return nil
		case n != seen:
			seen, since = n, time.Now()
		case time.Since(since) > keptPatience:
			return fmt.Errorf("%s keeps %d of %d parts of the weights: is there room for all?", cache, n, parts)
		}
		select {
		case <-time.After(keptPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
