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
	m := &model{Options: o, config: c, tables: tables{}, rows: map[string][]float64{}}
	if o.Tokenizer {
		if err := m.addTokenizer(files); err != nil {
			return err
		}
	}
	if err := writeTexts(dir, files); err != nil {
		return err
	}
	return m.writeWeights(dir)
}

// model is what is known while a checkpoint is written.
type model struct {
	Options
	config *checkpoint.Config
	tables tables
	rows   map[string][]float64 // tensor -> factor of each row
}

// addTokenizer adds the tokenizer's files and makes text legible.
func (m *model) addTokenizer(files map[string]string) error {
	b, err := newTokens(m.EOSTokenID + 1)
	if err != nil {
		return err
	}
	if m.Legible {
		m.rows[checkpoint.LMHead] = legibleRows(b, m.VocabSize)
	}
	return addTokenizerFiles(files, b, m.Options)
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
func (m *model) writeWeights(dir string) error {
	files := split(m.config.Tensors(), m.Options)
	for _, f := range files {
		if err := m.writeFile(dir, f); err != nil {
			return err
		}
	}
	if m.Shards == 0 {
		return nil
	}
	text, err := index(files, m.DType)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), text, 0o644)
}

// writeFile makes one weights file under a temporary name and renames it.
func (m *model) writeFile(dir string, f shardFile) (err error) {
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
	head := f.header(m.DType)
	if _, err = out.Write(head); err == nil {
		err = runJobs(out, m.jobs(f, int64(len(head))))
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
func (m *model) jobs(f shardFile, at int64) []job {
	var list []job
	step := jobBytes / m.DType.Size()
	for _, spec := range f.specs {
		src := newSource(spec, m.config, m.DType, m.Seed)
		if rows := m.rows[spec.Name]; rows != nil {
			src.skew = rows
		}
		total := tensor.Tensor{Shape: spec.Shape}.Elements()
		m.tables.use(&src, total)
		for first := 0; first < total; first += step {
			n := min(step, total-first)
			list = append(list, job{src, first, n, at})
			at += int64(n * m.DType.Size())
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
