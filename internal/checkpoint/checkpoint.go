package checkpoint

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// Checkpoint is an open checkpoint directory. All methods may be called from
// several goroutines, but for Close.
type Checkpoint struct {
	dir         string
	config      *Config
	shards      []*shard
	side        []sideFile
	tensors     map[string]placed
	fingerprint string
	weights     Weights
	joined      Mapped     // may be nil
	closing     sync.Mutex // of Close against Unchanged
}

// placed is a tensor and where its bytes are.
type placed struct {
	tensor.Tensor
	shard *shard
	begin int // of Data in the shard
}

// Open reads the config and every header, checks that each tensor of the model
// is there with its exact shape and a usable type, and maps the files. It reads
// 64 bytes of each tensor for the fingerprint and maps no page of weights.
// Errors satisfy errors.Is with ErrNotFound, ErrDangling, ErrUnreadable or ErrInvalid.
func Open(dir string) (*Checkpoint, error) {
	side := statSideFiles(dir)
	config, err := LoadConfig(dir)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{dir: dir, config: config, side: side, tensors: map[string]placed{}, weights: AsStored}
	if err := c.openFiles(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// openFiles opens the shards and finds the model's tensors in them.
func (c *Checkpoint) openFiles() error {
	l, err := findLayout(c.dir)
	if err != nil {
		return err
	}
	for _, name := range l.files {
		s, err := openShard(filepath.Join(c.dir, name))
		if err != nil {
			return err
		}
		c.shards = append(c.shards, s)
	}
	if err := c.bind(l); err != nil {
		return err
	}
	c.fingerprint = c.computeFingerprint()
	return nil
}

// bind matches what the files hold with what the config asks for. Tensors that
// the model does not have are left alone.
func (c *Checkpoint) bind(l *layout) error {
	held := map[string]*shard{}
	index := map[string]entry{}
	for _, s := range c.shards {
		for _, e := range s.entries {
			if other := held[e.name]; other != nil {
				return tensorError(s.path, e.name, "is also in "+filepath.Base(other.path))
			}
			held[e.name], index[e.name] = s, e
		}
	}
	for _, spec := range c.config.Tensors() {
		s := held[spec.Name]
		if s == nil {
			return l.missing(c.dir, spec.Name)
		}
		t, err := s.tensor(index[spec.Name], spec)
		if err != nil {
			return err
		}
		c.tensors[spec.Name] = placed{t, s, int(index[spec.Name].begin)}
	}
	return nil
}

// missing says where a tensor that no file holds should have been.
func (l *layout) missing(dir, name string) error {
	if file, ok := l.home[name]; ok {
		return tensorError(filepath.Join(dir, file), name, "is missing, although "+indexFile+" places it in this file")
	}
	return tensorError(l.source, name, "is missing; the model of "+configFile+" needs it")
}

// tensor checks one entry against the model and makes a view of it.
func (s *shard) tensor(e entry, spec Spec) (tensor.Tensor, error) {
	if !slices.Equal(e.shape, spec.Shape) {
		return tensor.Tensor{}, tensorError(s.path, e.name, fmt.Sprintf("has shape %v, but %s asks for %v", e.shape, configFile, spec.Shape))
	}
	dtypes := map[string]tensor.DType{"BF16": tensor.BF16, "F16": tensor.F16, "F32": tensor.F32}
	d, ok := dtypes[e.dtype]
	if !ok {
		return tensor.Tensor{}, tensorError(s.path, e.name, fmt.Sprintf("has dtype %s, want BF16, F16 or F32", e.dtype))
	}
	return tensor.Tensor{Name: e.name, DType: d, Shape: e.shape, Data: s.data[e.begin:e.end:e.end]}, nil
}

// Config is the model's configuration; do not modify it.
func (c *Checkpoint) Config() *Config { return c.config }

// Files are the paths of the weights files.
func (c *Checkpoint) Files() (paths []string) {
	for _, s := range c.shards {
		paths = append(paths, s.path)
	}
	return paths
}

// Tensor is a view of one of the model's tensors. Nothing is read until its
// Data is, or Load is called. The view is valid until Close.
func (c *Checkpoint) Tensor(name string) (tensor.Tensor, error) {
	p, ok := c.tensors[name]
	if !ok {
		return tensor.Tensor{}, tensorError(c.dir, name, "is not part of the model")
	}
	return p.Tensor, nil
}

// Close unmaps the files. No view, Watch or Load may be in use any more.
func (c *Checkpoint) Close() error {
	c.closing.Lock()
	defer c.closing.Unlock()
	for _, s := range c.shards {
		s.close()
	}
	c.shards, c.tensors = nil, nil
	return nil
}
