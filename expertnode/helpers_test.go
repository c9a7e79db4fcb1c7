package expertnode

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// patience bounds what a test waits for; a loaded machine may need seconds.
const patience = 30 * time.Second

// modelDir is a synthetic checkpoint shared by tests that do not change it.
var modelDir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "expertnode")
	if err != nil {
		return "", err
	}
	return dir, synth.Write(dir, tiny())
})

// tiny has 2 layers of 8 experts, hidden 64.
func tiny() synth.Options {
	o := synth.Tiny()
	o.Layers, o.Experts, o.ExpertsPerTok, o.Tokenizer = 2, 8, 4, false
	return o
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := modelDir(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func sharedModel(t testing.TB) string {
	t.Helper()
	dir, err := modelDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// process is a node that runs in this process as Run would in its own.
type process struct {
	name, grpc, http string
	cancel           context.CancelFunc
	done             chan struct{}
	err              error // valid after done
}

// stop interrupts the process and waits for its end.
func (p *process) stop(t testing.TB) error {
	t.Helper()
	p.cancel()
	return p.wait(t)
}

func (p *process) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		t.Fatalf("node %s does not end", p.name)
		return nil
	}
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	// The address may be that of a node which is just ending.
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// start runs a node on addresses; port 0 takes a free one.
func start(t testing.TB, dir, name, file, grpc string) *process {
	t.Helper()
	return startAs(t, dir, name, file, grpc, checkpoint.AsStored)
}

func startAs(t testing.TB, dir, name, file, grpc string, w checkpoint.Weights, cache ...string) *process {
	t.Helper()
	g, h := listen(t, grpc), listen(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{name: name, grpc: g.Addr().String(), http: "http://" + h.Addr().String(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = Run(ctx, Options{Model: dir, Weights: w, Cache: weightcache.Folders{Dirs: cache, Free: 1e-9}, Name: name, Placement: file, GRPC: g, HTTP: h, Workers: 1,
			DrainTimeout: patience, Log: logr.Discard()})
	}()
	t.Cleanup(func() { _ = p.stop(t) })
	return p
}

// pool is some nodes that share a placement file.
type pool struct {
	t     testing.TB
	dir   string
	file  string
	nodes []*process
	cfg   *checkpoint.Config
}

func newPool(t testing.TB, dir string, nodes int) *pool {
	t.Helper()
	cfg, err := checkpoint.LoadConfig(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{t: t, dir: dir, cfg: cfg, file: filepath.Join(t.TempDir(), "placement.json")}
	for i := range nodes {
		p.nodes = append(p.nodes, start(t, dir, "node-"+string(rune('a'+i)), p.file, "127.0.0.1:0"))
	}
	return p
}

// place gives each expert to replicas of the nodes, chosen by rng.
func (p *pool) place(epoch int64, replicas int, rng *rand.Rand) *placement.Placement {
	pl := &placement.Placement{Epoch: epoch, Layers: p.cfg.NumLayers, Experts: p.cfg.NumExperts}
	for _, n := range p.nodes {
		pl.Nodes = append(pl.Nodes, placement.Node{Name: n.name, Address: n.grpc, Experts: make([][]int, pl.Layers)})
	}
	for l := range pl.Layers {
		for e := range pl.Experts {
			for _, i := range rng.Perm(len(p.nodes))[:min(replicas, len(p.nodes))] {
				pl.Nodes[i].Experts[l] = append(pl.Nodes[i].Experts[l], e)
			}
		}
	}
	for i := range pl.Nodes {
		for l := range pl.Nodes[i].Experts {
			slices.Sort(pl.Nodes[i].Experts[l])
		}
	}
	return pl
}

// publish writes the document as a mounted ConfigMap would show it.
func (p *pool) publish(d *placement.Document) {
	p.t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.file+".tmp", b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(p.file+".tmp", p.file); err != nil {
		p.t.Fatal(err)
	}
}

// router makes a dispatcher for the pool's model.
func (p *pool) router(change func(*dispatch.Options)) *dispatch.Dispatcher {
	p.t.Helper()
	o := dispatch.Options{Name: "test-router", Layers: p.cfg.NumLayers, Experts: p.cfg.NumExperts, Hidden: p.cfg.HiddenSize,
		MaxWait: patience, Log: logr.Discard()}
	if change != nil {
		change(&o)
	}
	d := dispatch.New(o)
	p.t.Cleanup(d.Close)
	return d
}

// await polls until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// work is one call's input and the answer computed in this process.
type work struct {
	layer, rows int
	x           []float32
	ids         []int32
	want        []float32
}

// reference computes experts one row at a time, without any of the code under test
// but the expert's own arithmetic.
type reference struct {
	ck     *checkpoint.Checkpoint
	runner *model.ExpertRunner
}

func newReference(t testing.TB, dir string) *reference {
	t.Helper()
	ck, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	pool := kernels.NewPool(1)
	t.Cleanup(func() { pool.Close(); _ = ck.Close() })
	return &reference{ck, model.NewExpertRunner(ck.Config(), pool)}
}

func (r *reference) work(t testing.TB, rng *rand.Rand, rows, k int) *work {
	t.Helper()
	cfg := r.ck.Config()
	w := &work{layer: rng.IntN(cfg.NumLayers), rows: rows, x: make([]float32, rows*cfg.HiddenSize),
		want: make([]float32, rows*k*cfg.HiddenSize)}
	for i := range w.x {
		w.x[i] = float32(rng.NormFloat64())
	}
	for i := range rows {
		for j, e := range rng.Perm(cfg.NumExperts)[:k] {
			w.ids = append(w.ids, int32(e))
			r.row(t, w.layer, e, w.x[i*cfg.HiddenSize:(i+1)*cfg.HiddenSize], w.want[(i*k+j)*cfg.HiddenSize:(i*k+j+1)*cfg.HiddenSize])
		}
	}
	return w
}

func (r *reference) row(t testing.TB, layer, e int, x, out []float32) {
	t.Helper()
	expert, _, err := model.OpenExpert(r.ck, layer, e)
	if err != nil {
		t.Fatal(err)
	}
	r.runner.Run([]model.ExpertGroup{{Expert: expert, X: x, Out: out, Rows: 1}})
}

// do runs the work and compares every bit.
func (w *work) do(ctx context.Context, d *dispatch.Dispatcher) error {
	out := make([]float32, len(w.want))
	if err := d.Do(ctx, w.layer, w.x, w.rows, w.ids, out); err != nil {
		return err
	}
	if !slices.Equal(out, w.want) {
		return errWrong
	}
	return nil
}
