package expertnode

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// cachedNode starts a node with the cache, checks an answer, what it counts and
// the bytes it holds, and stops it once it has kept what it made.
func cachedNode(t *testing.T, cache string, hit, miss, damaged, kept int) {
	t.Helper()
	p := newPool(t, sharedModel(t), 0)
	node := startAs(t, p.dir, "node-a", p.file, "127.0.0.1:0", checkpoint.Int8, cache)
	p.nodes = append(p.nodes, node)
	d := p.router(func(o *dispatch.Options) { o.Model = fingerprint(t, p.dir, checkpoint.Int8) })
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))}
	p.publish(doc)
	d.Apply(doc)
	if err := int8Work(t, p.dir, 7).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	for outcome, n := range map[string]int{"hit": hit, "miss": miss, "damaged": damaged, "kept": kept} {
		await(t, fmt.Sprintf("%s: %d", outcome, n), func() bool {
			_, body := get(t, node.http+"/metrics")
			return strings.Contains(body, fmt.Sprintf("\nolmoe_expert_weights_cache_total{outcome=%q} %d\n", outcome, n))
		})
	}
	if _, body := get(t, node.http+"/metrics"); !strings.Contains(body, "\nolmoe_expert_held_bytes 104448\n") {
		t.Error("held bytes are not those of the 8-bit form")
	}
	if err := node.stop(t); err != nil {
		t.Fatal(err)
	}
}

// What one start made the next one reads; answers are equal to the bit. Damaged
// files are made again and replaced.
func TestWeightsAreKeptBetweenStarts(t *testing.T) {
	cache := t.TempDir()
	cachedNode(t, cache, 0, 16, 0, 16)
	cachedNode(t, cache, 16, 0, 0, 0)
	files, err := filepath.Glob(filepath.Join(cache, "*", "*"))
	if err != nil || len(files) != 16 {
		t.Fatalf("files %q, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 16
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[1], 100); err != nil {
		t.Fatal(err)
	}
	cachedNode(t, cache, 14, 0, 2, 2)
	cachedNode(t, cache, 16, 0, 0, 0)
}
