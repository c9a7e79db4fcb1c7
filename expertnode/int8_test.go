package expertnode

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
	"github.com/olmoe-serving/olmoe-operator/internal/synth/synthtest"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
	"github.com/olmoe-serving/olmoe-operator/internal/wire"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// int8Pool is a pool of one node with 8-bit weights.
func int8Pool(t *testing.T) *pool {
	t.Helper()
	p := newPool(t, sharedModel(t), 0)
	p.nodes = append(p.nodes, startAs(t, p.dir, "node-a", p.file, "127.0.0.1:0", checkpoint.Int8))
	return p
}

func fingerprint(t testing.TB, dir string, w checkpoint.Weights) string {
	t.Helper()
	ck, err := checkpoint.OpenAs(dir, w)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ck.Close() }()
	return ck.Fingerprint()
}

// int8Router is a router of such a pool.
func int8Router(p *pool) *dispatch.Dispatcher {
	return p.router(func(o *dispatch.Options) {
		o.Model = fingerprint(p.t, p.dir, checkpoint.Int8)
		o.Rows, _ = wire.FormatsOf(checkpoint.Int8)
	})
}

// int8Work is work whose answer is computed here, in 8-bit form.
func int8Work(t *testing.T, dir string, rows int) *work {
	t.Helper()
	r := newReference(t, dir)
	w := r.work(t, rand.New(rand.NewPCG(2, 2)), rows, 3)
	h := r.ck.Config().HiddenSize
	for i, id := range w.ids {
		expert, _, err := model.OpenExpert(r.ck, w.layer, int(id))
		if err != nil {
			t.Fatal(err)
		}
		expert, _ = expert.Quantise(nil, make([]byte, expert.Int8Bytes()), func() {})
		x := w.x[i/3*h : (i/3+1)*h]
		want, sent := w.want[i*h:(i+1)*h], make([]byte, 2*h)
		r.runner.Run([]model.ExpertGroup{{Expert: expert, X: x, Out: want, Rows: 1}})
		kernels.Narrow(sent, tensor.BF16, 1, want)
		kernels.Widen(want, tensor.BF16, sent)
	}
	return w
}

func TestInt8NodeComputesAndCountsItsOwnForm(t *testing.T) {
	p := int8Pool(t)
	d := int8Router(p)
	rng := rand.New(rand.NewPCG(1, 1))
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rng)}
	p.publish(doc)
	d.Apply(doc)
	if err := int8Work(t, p.dir, 7).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	// 16 experts of 2 matrices [32, 64] and one [64, 32], 34 bytes for each group of 32 inputs.
	_, body := get(t, p.nodes[0].http+"/metrics")
	if !strings.Contains(body, "\nolmoe_expert_held_bytes 104448\n") {
		t.Errorf("held bytes are not those of the 8-bit form:\n%s", body)
	}

	// What is taken away and given back is made again, in the background or at once.
	few := p.place(2, 1, rng)
	other := placement.Node{Name: "node-b", Address: "127.0.0.1:1"}
	for l, all := range few.Nodes[0].Experts {
		few.Nodes[0].Experts[l] = all[:1]
		other.Experts = append(other.Experts, all[1:])
	}
	few.Nodes = append(few.Nodes, other)
	p.publish(&placement.Document{Revision: 2, Serving: few})
	await(t, "two experts held", func() bool {
		_, body := get(t, p.nodes[0].http+"/metrics")
		return strings.Contains(body, "\nolmoe_expert_held_bytes 13056\n")
	})
	p.publish(&placement.Document{Revision: 3, Serving: few, Target: p.place(3, 1, rng)})
	await(t, "all experts held", func() bool {
		_, body := get(t, p.nodes[0].http+"/metrics")
		return strings.Contains(body, "\nolmoe_expert_held_bytes 104448\n")
	})
	again := &placement.Document{Revision: 4, Serving: p.place(4, 1, rng)}
	p.publish(again)
	d.Apply(again)
	if err := int8Work(t, p.dir, 5).do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
}

// A router that computes with other weights is not answered: invariant 1.
func TestRouterRefusesNodeWithOtherWeights(t *testing.T) {
	p := int8Pool(t)
	d := p.router(func(o *dispatch.Options) { o.Model = fingerprint(t, p.dir, checkpoint.AsStored) })
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))}
	p.publish(doc)
	d.Apply(doc)
	await(t, "the node's experts", func() bool { code, _ := get(t, p.nodes[0].http+"/ready"); return code == 200 })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := int8Work(t, p.dir, 2).do(ctx, d); err == nil || errors.Is(err, errWrong) {
		t.Errorf("the router used a node with other weights: %v", err)
	}
}

// What is quantised is looked at while that is done.
func TestNodeRefusesNonFiniteWeights(t *testing.T) {
	for _, w := range []checkpoint.Weights{checkpoint.AsStored, checkpoint.Int8} {
		const name = "model.layers.1.mlp.experts.5.up_proj.weight"
		dir := t.TempDir()
		if err := errors.Join(synth.Write(dir, tiny()), synthtest.Spoil(dir, name, 66)); err != nil {
			t.Fatal(err)
		}
		p := newPool(t, dir, 0)
		p.nodes = append(p.nodes, startAs(t, dir, "node-a", p.file, "127.0.0.1:0", w))
		p.publish(&placement.Document{Revision: 1, Serving: p.place(1, 1, rand.New(rand.NewPCG(1, 1)))})
		if err := p.nodes[0].wait(t); !errors.Is(err, checkpoint.ErrInvalid) || !strings.Contains(err.Error(), name+": element [1 2] is NaN") {
			t.Errorf("%s: the node ended with %v, want an error that names the tensor", w, err)
		}
	}
}
