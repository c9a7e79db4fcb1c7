package model

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// open makes a runner whose experts are all in this process.
func open(t *testing.T, dir string, maxRows int) *Runner {
	t.Helper()
	return openAs(t, dir, maxRows, checkpoint.AsStored)
}

func openAs(t *testing.T, dir string, maxRows int, w checkpoint.Weights) *Runner {
	t.Helper()
	ck, err := checkpoint.OpenAs(dir, w)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(2)
	t.Cleanup(func() { pool.Close(); _ = ck.Close() })
	trunk, err := OpenTrunk(context.Background(), ck, nil)
	if err != nil {
		t.Fatal(err)
	}
	experts, err := OpenLocal(context.Background(), ck, pool)
	if err != nil {
		t.Fatal(err)
	}
	return NewRunner(trunk, pool, experts, maxRows)
}

// logits runs a prompt in chunks and returns the last position's logits.
func logits(t *testing.T, r *Runner, prompt []int32, chunk int) []float32 {
	t.Helper()
	return logitsWith(t, r, tensor.F32, prompt, chunk)
}

// logitsWith is logits with a KV cache of a type.
func logitsWith(t *testing.T, r *Runner, kvType tensor.DType, prompt []int32, chunk int) []float32 {
	t.Helper()
	pages := newPages(r.Trunk, kvType, 1<<30)
	var kv Cache
	for range PagesFor(len(prompt)) {
		kv.Pages = append(kv.Pages, pages.Get())
	}
	out := make([]float32, r.Config().VocabSize)
	for at := 0; at < len(prompt); at += chunk {
		var rows []Row
		for p := at; p < min(at+chunk, len(prompt)); p++ {
			rows = append(rows, Row{Token: prompt[p], Pos: p, KV: &kv})
		}
		hidden, err := r.Step(context.Background(), rows, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Logits(out, hidden[(len(rows)-1)*r.Config().HiddenSize:], 1)
	}
	return out
}

func TestLogitsMatchGoldens(t *testing.T) {
	root := goldentest.Path(t)
	for _, name := range []string{"tiny", "tiny-f32", "small"} {
		r := open(t, filepath.Join(root, "checkpoints", name), 64)
		var g struct {
			Prompts []struct {
				Name     string  `json:"name"`
				TokenIDs []int32 `json:"token_ids"`
			} `json:"prompts"`
		}
		goldentest.JSON(t, &g, filepath.Join(root, "goldens", name, "goldens.json"))
		for _, p := range g.Prompts {
			want := readF32(t, filepath.Join(root, "goldens", name, p.Name+".safetensors"), "logits_last")
			got := logits(t, r, p.TokenIDs, 64)
			worst := 0.0
			for i := range want {
				worst = max(worst, math.Abs(float64(want[i]-got[i])))
			}
			t.Logf("%s/%s: worst logit difference %.2g", name, p.Name, worst)
			if !(worst <= 5e-4) {
				t.Errorf("%s/%s: logits differ by %g, want <= 5e-4", name, p.Name, worst)
			}
		}
	}
}

// readF32 reads one float32 tensor of a safetensors file.
func readF32(t *testing.T, path, name string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	data := b[8+int(n):][header[name].Offsets[0]:header[name].Offsets[1]]
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}
