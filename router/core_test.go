package router_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/router"
	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// counting is a context that is asked before each piece of a file is read. At one of the
// questions it does something.
type counting struct {
	context.Context
	asked, at int64
	do        func()
}

func (c *counting) Err() error {
	if atomic.AddInt64(&c.asked, 1) == c.at {
		c.do()
	}
	return c.Context.Err()
}

// A file that is truncated while weights are made of it is a change of the model, whoever
// reads them: here the experts of one process, after the last piece of them was read.
func TestTruncatedWhileExpertsAreMade(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // pieces are read one after the other
	o := router.CoreOptions{Model: model(t), Weights: checkpoint.Int8, OneProcess: true, Workers: 1, Log: logr.Discard(),
		Limits: engine.Limits{MaxSequences: 1, MaxRows: 1, KVBytes: 1 << 20}}
	whole := &counting{Context: t.Context()}
	core, err := router.Open(whole, o)
	if err != nil {
		t.Fatal(err)
	}
	core.Close()
	file := filepath.Join(o.Model, "model.safetensors")
	cut := &counting{Context: t.Context(), at: whole.asked, do: func() { // down_proj comes last, and stands before the others
		if err := os.Truncate(file, upProj(t, file)); err != nil {
			t.Error(err)
		}
	}}
	if core, err := router.Open(cut, o); core != nil || !errors.Is(err, checkpoint.ErrChanged) {
		t.Errorf("opened %v, %v, want the change of the model", core, err)
	}
}

// upProj is where a matrix of the last expert begins.
func upProj(t *testing.T, file string) int64 {
	all, err := os.ReadFile(file)
	if err != nil {
		t.Error(err)
	}
	found := regexp.MustCompile(`layers\.1\.mlp\.experts\.63\.up_proj\.weight".*?"data_offsets":\[(\d+)`).FindSubmatch(all)
	at, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Error(err)
	}
	return 8 + int64(binary.LittleEndian.Uint64(all)) + at
}
