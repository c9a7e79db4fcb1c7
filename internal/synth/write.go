package synth

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Write makes the checkpoint that o describes in dir, which is created if it
// does not exist; files of the same names are overwritten. Weights are streamed:
// memory use does not grow with the model. A weights file gets its name only
// once it is complete, so an interrupted run leaves no file that looks whole.
func Write(dir string, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	text := configJSON(o)
	c, err := checkpoint.ParseConfig("config.json", []byte(text))
	if err != nil {
		return fmt.Errorf("the options make no model: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{"config.json": text, "generation_config.json": generationJSON(o)}
	if o.Tokenizer {
		if err := addTokenizer(files, o); err != nil {
			return err
		}
	}
	if err := writeTexts(dir, files); err != nil {
		return err
	}
	return writeWeights(dir, c, o)
}

// writeTexts writes the JSON files.
func writeTexts(dir string, files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeWeights writes the shards and, for several, their index.
func writeWeights(dir string, c *checkpoint.Config, o Options) error {
	files := split(c.Tensors(), o)
	tabs := tables{}
	for _, f := range files {
		if err := f.write(dir, c, o, tabs); err != nil {
			return err
		}
	}
	if o.Shards == 0 {
		return nil
	}
	text, err := index(files, o.DType)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), text, 0o644)
}

// write makes one weights file under a temporary name and renames it.
func (f shardFile) write(dir string, c *checkpoint.Config, o Options, tabs tables) (err error) {
	path := filepath.Join(dir, f.name)
	out, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(out.Name())
		}
	}()
	head := f.header(o.DType)
	if _, err = out.Write(head); err == nil {
		err = runJobs(out, f.jobs(c, o, tabs, int64(len(head))))
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(out.Name(), path)
}

// jobBytes is how much one goroutine makes and writes at a time.
const jobBytes = 4 << 20

// job is a range of elements of one tensor and where it goes in the file.
type job struct {
	source
	first, n int
	at       int64
}

// jobs cuts the file's tensors into pieces; at is where the first one starts.
func (f shardFile) jobs(c *checkpoint.Config, o Options, tabs tables, at int64) []job {
	var list []job
	step := jobBytes / o.DType.Size()
	for _, spec := range f.specs {
		src := newSource(spec, c, o.DType, o.Seed)
		total := tensor.Tensor{Shape: spec.Shape}.Elements()
		tabs.use(&src, total)
		for first := 0; first < total; first += step {
			n := min(step, total-first)
			list = append(list, job{src, first, n, at})
			at += int64(n * o.DType.Size())
		}
	}
	return list
}

// runJobs makes and writes the pieces on all cores.
func runJobs(out *os.File, jobs []job) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, min(runtime.GOMAXPROCS(0), len(jobs)))
	for w := range errs {
		wg.Go(func() {
			buf := make([]byte, jobBytes)
			for i := next.Add(1) - 1; i < int64(len(jobs)) && errs[w] == nil; i = next.Add(1) - 1 {
				j := jobs[i]
				piece := buf[:j.n*j.dtype.Size()]
				j.fill(piece, j.first)
				_, errs[w] = out.WriteAt(piece, j.at)
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
