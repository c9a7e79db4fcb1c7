package expertnode

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// cachedNode starts a node with the cache, checks an answer, what it counts and
// the bytes it holds, and stops it once it has kept what it made.
func cachedNode(t *testing.T, cache string, hit, miss, damaged, kept int) {
	t.Helper()
	p := newPool(t, sharedModel(t), 0)
	node := startAs(t, p.dir, "node-a", p.file, "127.0.0.1:0", checkpoint.Int8, cache)
	p.nodes = append(p.nodes, node)
	d := int8Router(p)
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

// keeper is a node's holder that has made its experts' 8-bit form and kept nothing.
func keeper(t *testing.T, dir string) (*holder, *assignment) {
	t.Helper()
	ck, err := checkpoint.OpenAs(dir, checkpoint.Int8)
	if err != nil {
		t.Fatal(err)
	}
	h := newHolder(ck, model.OpenCache(ck, logr.Discard(), weightcache.Folders{Dirs: []string{t.TempDir()}, Free: 1e-9}), logr.Discard())
	t.Cleanup(func() { h.close(); _ = ck.Close() })
	h.changed, h.quiesce = func() {}, func() {}
	all := &placement.Placement{Epoch: 1, Nodes: []placement.Node{{Name: "node-a", Experts: make([][]int, ck.Config().NumLayers)}}}
	for l := range all.Nodes[0].Experts {
		for e := range ck.Config().NumExperts {
			all.Nodes[0].Experts[l] = append(all.Nodes[0].Experts[l], e)
		}
	}
	a := assign(&placement.Document{Revision: 1, Serving: all}, "node-a", ck.Config().NumLayers, ck.Config().NumExperts)
	h.want.Store(a)
	if err := h.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h, a
}

// What is to be loaded does not wait for what is kept, which is tried again.
func TestKeepingGivesWay(t *testing.T) {
	h, a := keeper(t, sharedModel(t))
	h.assign(a)
	if h.keep(t.Context()); h.cache.Count(weightcache.Kept) != 0 {
		t.Errorf("%d parts were kept while an assignment waited", h.cache.Count(weightcache.Kept))
	}
	<-h.wake
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if h.keep(stopped); h.cache.Count(weightcache.Kept) != 0 {
		t.Errorf("%d parts were kept by a node that was stopped", h.cache.Count(weightcache.Kept))
	}
	if h.keep(t.Context()); h.cache.Count(weightcache.Kept) != 16 {
		t.Errorf("%d parts are kept, want 16", h.cache.Count(weightcache.Kept))
	}
	ended, cancel := context.WithCancel(t.Context())
	h.interrupt.Store(&cancel)
	if h.assign(a); ended.Err() == nil {
		t.Error("an assignment does not interrupt what is being kept")
	}
}

// Nothing is kept of files that were written since they were opened: who puts the
// old bytes and their time back would find it.
func TestNothingIsKeptOfChangedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := synth.Write(dir, tiny()); err != nil {
		t.Fatal(err)
	}
	h, _ := keeper(t, dir)
	path := filepath.Join(dir, "model.safetensors")
	info, err := os.Stat(path)
	if err == nil {
		err = os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	if h.keep(t.Context()); h.cache.Count(weightcache.Kept) != 0 {
		t.Errorf("%d parts were kept of a file that was written", h.cache.Count(weightcache.Kept))
	}
}
