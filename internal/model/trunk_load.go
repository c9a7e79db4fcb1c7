package model

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/pace"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// int8Matrix is one of the trunk's matrices that are computed in 8-bit form.
type int8Matrix struct {
	name   string
	w      *kernels.Weight // as stored, then in 8-bit form
	data   []byte          // of the 8-bit form
	cached bool
}

// int8Matrices are all of them; none if weights are as stored.
func (t *Trunk) int8Matrices(ck *checkpoint.Checkpoint) (list []*int8Matrix) {
	add := func(name string, w *kernels.Weight) {
		if ck.Quantised(name) {
			list = append(list, &int8Matrix{name: name, w: w})
		}
	}
	add(t.cfg.OutputTensor(), &t.head)
	for i := range t.layers {
		l := &t.layers[i]
		add(checkpoint.LayerTensor(i, checkpoint.QProj), &l.q)
		add(checkpoint.LayerTensor(i, checkpoint.KProj), &l.k)
		add(checkpoint.LayerTensor(i, checkpoint.VProj), &l.v)
		add(checkpoint.LayerTensor(i, checkpoint.OProj), &l.o)
	}
	return list
}

// load reads the tensors that are used as stored, and the 8-bit form of the others
// from the cache, or makes it.
func (t *Trunk) load(ctx context.Context, ck *checkpoint.Checkpoint, all []tensor.Tensor, cache *weightcache.Cache) error {
	matrices := t.int8Matrices(ck)
	var g errgroup.Group
	g.SetLimit(checkpoint.Readers())
	for _, m := range matrices {
		g.Go(func() (err error) { // what it takes is kept until the process ends
			n := kernels.Int8Bytes(m.w.Out, m.w.In)
			if m.data = cache.Load(ctx, m.name, n, nil); m.data != nil {
				m.cached = true
			} else if m.data, err = mem.Allocate(n); err != nil {
				err = fmt.Errorf("%s: %w", m.name, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s tensor.Tensor) bool {
		return s.Name != checkpoint.EmbedTokens && slices.ContainsFunc(matrices, func(m *int8Matrix) bool { return m.name == s.Name })
	})
	if err := ck.Load(ctx, all...); err != nil {
		return err
	}
	if err := quantise(ctx, ck, matrices); err != nil {
		return err
	}
	go keep(ctx, ck, cache, matrices)
	return nil
}

// quantise replaces the matrices by their 8-bit form, and gives back the memory of
// what is read for it. The embedding's rows are looked up as stored.
func quantise(ctx context.Context, ck *checkpoint.Checkpoint, matrices []*int8Matrix) error {
	stored := make([]tensor.Tensor, len(matrices))
	var missing []tensor.Tensor
	for i, m := range matrices {
		var err error
		if stored[i], err = ck.Tensor(m.name); err != nil {
			return err
		}
		if !m.cached {
			missing = append(missing, stored[i])
		}
	}
	if err := ck.Read(ctx, missing...); err != nil {
		return err
	}
	pool := kernels.NewPool(kernels.Threads(0)) // nothing else runs yet
	defer pool.Close()
	for i, m := range matrices {
		if !m.cached {
			if _, finite := kernels.Quantise(pool, *m.w, m.data); !finite {
				return ck.NotFinite(ctx, stored[i])
			}
		}
		*m.w, _ = int8View(*m.w, m.data)
		if m.name != checkpoint.EmbedTokens {
			ck.Release(stored[i])
		}
	}
	return nil
}

// keep writes what was made, in the background.
func keep(ctx context.Context, ck *checkpoint.Checkpoint, cache *weightcache.Cache, matrices []*int8Matrix) {
	p := pace.New(pace.LongRest)
	for _, m := range matrices {
		if !m.cached && ck.Unchanged() {
			cache.Store(ctx, m.name, m.data, p)
		}
	}
}
