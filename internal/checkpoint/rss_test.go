package checkpoint_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// resident adds up what the process has mapped of the files in dir, in bytes,
// as the kernel counts it.
func resident(t *testing.T, dir string) int {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skipf("this system does not tell what is resident: %v", err)
	}
	defer func() { _ = f.Close() }()
	total, ours := 0, false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if key, _, _ := strings.Cut(line, " "); !strings.HasSuffix(key, ":") {
			ours = strings.Contains(line, dir)
			continue
		}
		var kb int
		if n, _ := fmt.Sscanf(line, "Rss: %d kB", &kb); n == 1 && ours {
			total += kb << 10
		}
	}
	return total
}

// experts are the tensors of some experts, every step-th of each layer.
func experts(t *testing.T, c *checkpoint.Checkpoint, first, step int) []tensor.Tensor {
	t.Helper()
	var list []tensor.Tensor
	for l := range c.Config().NumLayers {
		for e := first; e < c.Config().NumExperts; e += step {
			gate, up, down := checkpoint.ExpertTensorNames(l, e)
			for _, name := range []string{gate, up, down} {
				w, err := c.Tensor(name)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, w)
			}
		}
	}
	return list
}

// trunk is everything but the experts: what a router holds.
func trunk(t *testing.T, c *checkpoint.Checkpoint) []tensor.Tensor {
	t.Helper()
	var list []tensor.Tensor
	for _, w := range all(t, c) {
		if !strings.Contains(w.Name, ".experts.") {
			list = append(list, w)
		}
	}
	return list
}

func bytesOf(ts []tensor.Tensor) int {
	n := 0
	for _, w := range ts {
		n += len(w.Data)
	}
	return n
}

// big writes a model large enough that whole pages do not hide what is
// measured: 180 MB with experts of 442 kB, or 80 MB with experts of 196 kB for
// short tests. The weights are zeros, which no other test could use.
func big(t testing.TB) string {
	t.Helper()
	config := `{"model_type": "olmoe", "num_hidden_layers": 6, "num_attention_heads": 4, "vocab_size": 4096,
		"hidden_size": 384, "intermediate_size": 192}`
	if testing.Short() {
		config = strings.NewReplacer("4096", "1024", "384", "256", "192", "128").Replace(config)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "config.json"), []byte(config))
	c, err := checkpoint.LoadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	header, size := map[string]entry{}, 0
	for _, spec := range c.Tensors() {
		n := 2 * tensor.Tensor{Shape: spec.Shape}.Elements()
		header[spec.Name] = entry{"dtype": "BF16", "shape": spec.Shape, "data_offsets": []int{size, size + n}}
		size += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, weights(dir), withHeader(string(text), make([]byte, size)))
	return dir
}

// The promise: a pod touches only the bytes of its own tensors, and its
// resident memory is at most 1.1 times those, the file being in the page cache
// (it was just written), where the kernel maps neighbours most eagerly.
func TestResidentMemoryIsOnlyWhatIsLoaded(t *testing.T) {
	dir := big(t)
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if got := resident(t, dir); got != 0 {
		t.Errorf("%d bytes are resident after Open, want none", got)
	}
	for _, part := range []struct {
		name string
		ts   []tensor.Tensor
	}{
		{"one expert", experts(t, c, 5, 64)},
		{"every third expert", experts(t, c, 0, 3)},
		{"router", trunk(t, c)},
	} {
		if err := c.Load(t.Context(), part.ts...); err != nil {
			t.Fatal(err)
		}
		want, got := bytesOf(part.ts), resident(t, dir)
		t.Logf("%s: %d bytes loaded, %d resident: %.3f", part.name, want, got, float64(got)/float64(want))
		if got < want || float64(got) > 1.1*float64(want) {
			t.Errorf("%s: %d bytes loaded, but %d resident, more than 1.1 times", part.name, want, got)
		}
		c.Release(part.ts...)
		if left := resident(t, dir); left > 0 {
			t.Errorf("%s: %d bytes stay resident after Release", part.name, left)
		}
	}
}

// Releasing a tensor must not take its neighbours' shared pages for good, nor
// let the released range come back with them.
func TestReleaseLeavesNeighbours(t *testing.T) {
	dir := big(t)
	c := open(t, dir)
	even, odd := experts(t, c, 0, 2), experts(t, c, 1, 2)
	if err := c.Load(t.Context(), append(even, odd...)...); err != nil {
		t.Fatal(err)
	}
	c.Release(odd...)
	if err := c.Load(t.Context(), even...); err != nil { // touches every byte again
		t.Fatal(err)
	}
	want, got := bytesOf(even), resident(t, dir)
	t.Logf("%d bytes in use, %d resident: %.3f", want, got, float64(got)/float64(want))
	if got < want || float64(got) > 1.1*float64(want) {
		t.Errorf("%d bytes in use, but %d resident", want, got)
	}
}
