package checkpoint_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// offsetOf finds where a tensor's data starts in a single weights file.
func offsetOf(t *testing.T, path, name string) int64 {
	t.Helper()
	var at int64
	rewriteHeader(t, path, func(h map[string]entry) {
		at = int64(h[name]["data_offsets"].([]any)[0].(float64))
	})
	raw, err := os.ReadFile(path)
	must(t, err)
	return 8 + int64(binary.LittleEndian.Uint64(raw)) + at
}

func TestNonFiniteWeightsAreRefused(t *testing.T) {
	const name = "model.layers.1.mlp.experts.2.up_proj.weight" // [8, 16]
	for _, c := range []struct {
		d     tensor.DType
		bits  string // little-endian
		value string
	}{
		{tensor.BF16, "\xc0\x7f", "NaN"},
		{tensor.BF16, "\x80\xff", "-Inf"},
		{tensor.F16, "\x00\x7c", "+Inf"},
		{tensor.F16, "\x01\x7c", "NaN"},
		{tensor.F32, "\x00\x00\xc0\x7f", "NaN"},
		{tensor.F32, "\x00\x00\x80\x7f", "+Inf"},
	} {
		t.Run(fmt.Sprint(c.d, c.value), func(t *testing.T) {
			o := mini()
			o.DType = c.d
			dir := write(t, o)
			at := offsetOf(t, weights(dir), name)
			poke(t, weights(dir), at+int64((3*16+5)*c.d.Size()), c.bits)
			ck := open(t, dir)
			wantError(t, ck.Load(t.Context(), all(t, ck)...), checkpoint.ErrInvalid, weights(dir), "tensor "+name, "element [3 5] is "+c.value)
			// A pod that does not need the tensor is not concerned.
			other, err := ck.Tensor("model.layers.1.mlp.experts.2.down_proj.weight")
			must(t, err)
			must(t, ck.Load(t.Context(), other))
		})
	}
}

// Of several bad tensors the first one asked for is named, however many
// goroutines look.
func TestFirstBadTensorIsNamed(t *testing.T) {
	dir := write(t, mini())
	for _, name := range []string{"model.layers.0.mlp.gate.weight", "model.layers.1.mlp.gate.weight"} {
		poke(t, weights(dir), offsetOf(t, weights(dir), name), "\xc0\x7f")
	}
	c := open(t, dir)
	for range 20 {
		wantError(t, c.Load(t.Context(), all(t, c)...), checkpoint.ErrInvalid, "layers.0.mlp.gate", "[0 0]")
	}
}

func TestLoadStopsWithItsContext(t *testing.T) {
	c := open(t, write(t, mini()))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := c.Load(ctx, all(t, c)...); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestLoadOfNothing(t *testing.T) {
	must(t, open(t, write(t, mini())).Load(t.Context()))
}

// A tensor of several chunks, the offender in the last element.
func TestBadElementBehindTheFirstChunk(t *testing.T) {
	o := mini()
	o.VocabSize = 300_000 // 9.6 MB: two chunks
	dir := write(t, o)
	poke(t, weights(dir), offsetOf(t, weights(dir), checkpoint.LMHead)+300_000*16*2-2, "\x80\x7f")
	c := open(t, dir)
	w, err := c.Tensor(checkpoint.LMHead)
	must(t, err)
	wantError(t, c.Load(t.Context(), w), checkpoint.ErrInvalid, "element [299999 15] is +Inf")
}

// BenchmarkLoad is mapping and scanning what the page cache holds.
func BenchmarkLoad(b *testing.B) {
	c := open(b, big(b))
	ts := all(b, c)
	b.SetBytes(int64(bytesOf(ts)))
	for b.Loop() {
		c.Release(ts...)
		if err := c.Load(b.Context(), ts...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is reading the headers and the fingerprint's samples.
func BenchmarkOpen(b *testing.B) {
	dir := big(b)
	for b.Loop() {
		c, err := checkpoint.Open(dir)
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}
