package checkpoint

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/pace"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// loadChunk is the unit of reading: large enough to keep a disk busy, small
// enough that a cancelled load ends at once. A multiple of every page size and
// element size.
const loadChunk = 8 << 20

// readAhead is how many more pieces of a model than cores are loaded at a time:
// while some are checked or quantised the disk has others to read.
const readAhead = 4

// Readers is how many experts or files of weights to load at a time.
func Readers() int { return runtime.GOMAXPROCS(0) + readAhead }

// Load reads the tensors' bytes into memory, and nothing else, and refuses NaN
// and infinite weights, naming tensor and element. Loading what is loaded only
// costs the scan. Errors satisfy errors.Is with ErrInvalid, ErrChanged (the
// file was truncated) or the context's error.
func (c *Checkpoint) Load(ctx context.Context, ts ...tensor.Tensor) error {
	return c.atOnce(ctx, ts, (*Checkpoint).loadOne)
}

// Read is Load for a caller that goes over the weights anyway and sees whether they
// are finite: where they are not, NotFinite has the error.
func (c *Checkpoint) Read(ctx context.Context, ts ...tensor.Tensor) error {
	return c.atOnce(ctx, ts, (*Checkpoint).readOne)
}

// LoadInBackground is Load for a process that serves meanwhile: one small piece at a
// time, with rests in between.
func (c *Checkpoint) LoadInBackground(ctx context.Context, ts ...tensor.Tensor) error {
	return c.inBackground(ctx, ts, (*Checkpoint).loadOne)
}

// ReadInBackground is Read for a process that serves meanwhile.
func (c *Checkpoint) ReadInBackground(ctx context.Context, ts ...tensor.Tensor) error {
	return c.inBackground(ctx, ts, (*Checkpoint).readOne)
}

// NotFinite is the error of weights that were read and are not all finite. Who
// changes a file can make them finite in between.
func (c *Checkpoint) NotFinite(ctx context.Context, ts ...tensor.Tensor) error {
	if err := c.Load(ctx, ts...); err != nil {
		return err
	}
	return &Error{Kind: ErrChanged, Path: c.dir, Where: "tensor " + ts[0].Name, Problem: "had weights that are not finite when it was read, and no longer has"}
}

// step reads one chunk.
type step func(*Checkpoint, context.Context, chunk) error

// atOnce reads tensors on all cores.
func (c *Checkpoint) atOnce(ctx context.Context, ts []tensor.Tensor, f step) error {
	chunks, err := c.chunks(ts, loadChunk)
	if err != nil {
		return err
	}
	return c.all(ctx, chunks, f)
}

const (
	// backgroundChunk is the unit of inBackground: less than a millisecond of one core.
	backgroundChunk = 1 << 20
	// backgroundPause is its longest rest after a chunk: a few times what a core needs
	// for one, and no longer where a disk is slower than that.
	backgroundPause = 5 * time.Millisecond
)

// inBackground reads tensors one small piece at a time.
func (c *Checkpoint) inBackground(ctx context.Context, ts []tensor.Tensor, f step) error {
	chunks, err := c.chunks(ts, backgroundChunk)
	if err != nil {
		return err
	}
	p := pace.New(backgroundPause)
	for _, k := range chunks {
		if err := f(c, ctx, k); err != nil {
			return err
		}
		if err := p.Rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// chunks cuts tensors into pieces and tells the kernel that they are needed.
func (c *Checkpoint) chunks(ts []tensor.Tensor, size int) (chunks []chunk, err error) {
	list := make([]placed, len(ts))
	for i, t := range ts {
		var ok bool
		if list[i], ok = c.tensors[t.Name]; !ok {
			return nil, tensorError(c.dir, t.Name, "is not part of the model")
		}
	}
	ahead := markRuns(list)
	for _, p := range list {
		for at := 0; at < len(p.Data); at += size {
			chunks = append(chunks, chunk{p, at, min(at+size, len(p.Data)), ahead[p.Name]})
		}
	}
	return chunks, nil
}

// markRuns marks what is to be loaded, tensors that follow each other in a file
// together, and returns by name which ones populate has to read ahead.
func markRuns(list []placed) map[string]bool {
	ahead := make(map[string]bool, len(list))
	list = slices.SortedFunc(slices.Values(list), func(a, b placed) int {
		return cmp.Or(strings.Compare(a.shard.path, b.shard.path), a.begin-b.begin)
	})
	for n := 1; len(list) > 0; list, n = list[n:], 1 {
		end := func() int { return list[n-1].begin + len(list[n-1].Data) }
		for n < len(list) && list[n].shard == list[0].shard && list[n].begin == end() {
			n++
		}
		small := markRun(list[0].shard.data, list[0].begin, end())
		for _, p := range list[:n] {
			ahead[p.Name] = small
		}
	}
	return ahead
}

// Release gives back the memory of tensors that are no longer needed. Their
// views stay valid: touching them reads the file again.
func (c *Checkpoint) Release(ts ...tensor.Tensor) {
	for _, t := range ts {
		if p, ok := c.tensors[t.Name]; ok {
			end := p.begin + len(p.Data)
			drop(pages(p.shard.data, p.begin, end))
			markUnused(innerPages(p.shard.data, p.begin, end))
		}
	}
}

// chunk is the bytes [from, to) of a tensor's data.
type chunk struct {
	placed
	from, to int
	ahead    bool // see populate
}

// all reads the chunks on all cores and returns the error of the first one, in the
// order given, that has any.
func (c *Checkpoint) all(ctx context.Context, chunks []chunk, f step) error {
	errs := make([]error, len(chunks))
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(chunks)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(chunks)) && !failed.Load(); i = next.Add(1) - 1 {
				if errs[i] = f(c, ctx, chunks[i]); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readOne reads one chunk.
func (c *Checkpoint) readOne(ctx context.Context, k chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := populate(pages(k.shard.data, k.begin+k.from, k.begin+k.to), k.ahead); err != nil {
		return &Error{Kind: ErrChanged, Path: k.shard.path, Where: "tensor " + k.Name, Problem: "cannot be read any more; the file was truncated, or its disk failed", Cause: err}
	}
	return nil
}

// loadOne reads one chunk and scans it.
func (c *Checkpoint) loadOne(ctx context.Context, k chunk) error {
	if err := c.readOne(ctx, k); err != nil {
		return err
	}
	bad := -1
	if err := c.Guard(func() { bad = firstNonFinite(k.DType, k.Data[k.from:k.to]) }); err != nil {
		return err
	}
	if bad < 0 {
		return nil
	}
	element := k.from/k.DType.Size() + bad
	return tensorError(k.shard.path, k.Name, fmt.Sprintf("element %v is %v; weights must be finite",
		position(k.Shape, element), widen(k.DType, k.Data, element)))
}

// position is the index of an element in each dimension.
func position(shape []int, element int) []int {
	at := make([]int, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		at[i] = element % shape[i]
		element /= shape[i]
	}
	return at
}
