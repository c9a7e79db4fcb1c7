package expertnode

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// loaded is a pool of two nodes that has computed known work.
func loaded(t *testing.T) (p *pool, rows [][]float64, requests uint64) {
	dir := sharedModel(t)
	p = newPool(t, dir, 2)
	d := p.router(nil)
	rng := rand.New(rand.NewPCG(3, 1))
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rng)}
	p.publish(doc)
	d.Apply(doc)
	await(t, "covered", func() bool { return ready(d) })
	rows = [][]float64{make([]float64, p.cfg.NumExperts), make([]float64, p.cfg.NumExperts)}
	ref := newReference(t, dir)
	owner := func(l int, e int32) int {
		for i, n := range doc.Serving.Nodes {
			for _, held := range n.Experts[l] {
				if int32(held) == e {
					return i
				}
			}
		}
		return -1
	}
	for range 10 {
		w := ref.work(t, rng, 1+rng.IntN(20), 1+rng.IntN(4))
		asked := map[int]bool{}
		for _, id := range w.ids {
			rows[w.layer][id]++
			asked[owner(w.layer, id)] = true
		}
		requests += uint64(len(asked))
		if err := w.do(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
	return p, rows, requests
}

// What nodes report is what was asked of them: every row, on the node that owns
// the expert, and nothing else.
func TestLoadIsWhatWasAsked(t *testing.T) {
	p, rows, requests := loaded(t)
	var pods []fleet.Pod
	for _, n := range p.nodes {
		pods = append(pods, fleet.Pod{Name: n.name, Address: n.grpc})
	}
	r := fleet.LoadAll(context.Background(), &fleet.GRPC{}, pods, time.Minute)
	if len(r.Nodes) != 2 {
		t.Fatalf("failed: %v", r.Failed)
	}
	got := load.Rows(r.Nodes)
	for l := range rows {
		for e := range rows[l] {
			if got[l][e] != rows[l][e] {
				t.Errorf("layer %d expert %d: %v rows, want %v", l, e, got[l][e], rows[l][e])
			}
		}
	}
	var n uint64
	for _, node := range r.Nodes {
		n += load.Total(node.Requests)
		if node.Busy() <= 0 || node.Seconds <= 0 || node.Utilisation() <= 0 || node.Utilisation() > 1 {
			t.Errorf("node %s was busy %s of %.3f s", node.Name, node.Busy(), node.Seconds)
		}
		for l := range node.Rows {
			for e, rows := range node.Rows[l] {
				if a := node.Activations[l][e]; (rows == 0) != (a == 0) || a > rows || (rows == 0) != (node.BusyNs[l][e] == 0) {
					t.Errorf("node %s layer %d expert %d: %d rows, %d activations, busy %d ns", node.Name, l, e, rows, a, node.BusyNs[l][e])
				}
			}
		}
	}
	if n < requests {
		t.Errorf("%d requests counted, at least %d were sent", n, requests)
	}
	if held := r.Nodes[0].Held() + r.Nodes[1].Held(); held != 16 {
		t.Errorf("%d experts held, want 16", held)
	}
}

// The debug page and the metrics say the same as the rpc.
func TestLoadPageAndMetrics(t *testing.T) {
	p, rows, _ := loaded(t)
	sum := 0.0
	for _, n := range p.nodes {
		_, body := get(t, n.http+"/debug/load?window=10s")
		var r load.Report
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Nodes) != 1 || r.Nodes[0].Name != n.name || r.WindowSeconds != 10 || r.Summary.Answered != 1 {
			t.Fatalf("report %s", body)
		}
		for _, v := range load.Rows(r.Nodes)[1] {
			sum += v
		}
		_, text := get(t, n.http+"/metrics")
		for _, name := range []string{
			`olmoe_expert_layer_busy_seconds_total{layer="1"} `, `olmoe_expert_layer_queue_seconds_total{layer="0"} `,
			"olmoe_expert_utilization ", "olmoe_expert_queue_seconds_mean ", "olmoe_expert_waiting_rows 0", "olmoe_expert_requests_total ",
		} {
			if !strings.Contains(text, "\n"+name) {
				t.Errorf("metrics have no %s", name)
			}
		}
		if strings.Contains(text, `expert="`) {
			t.Error("a series for each expert: they belong on /debug/load")
		}
	}
	want := 0.0
	for _, v := range rows[1] {
		want += v
	}
	if sum != want {
		t.Errorf("%v rows in layer 1, want %v", sum, want)
	}
}

// Time waited is counted for requests and for their rows, and a batch's time is
// shared out whole.
func TestBatchCounts(t *testing.T) {
	p := newPool(t, sharedModel(t), 1)
	d := p.router(nil)
	rng := rand.New(rand.NewPCG(1, 1))
	doc := &placement.Document{Revision: 1, Serving: p.place(1, 1, rng)}
	p.publish(doc)
	d.Apply(doc)
	await(t, "the node holds all", func() bool { return ready(d) }) // else what is announced later is a request of its own
	w := newReference(t, p.dir).work(t, rng, 5, 3)
	if err := w.do(context.Background(), d); err != nil {
		t.Fatal(err)
	}
	r := fleet.LoadAll(context.Background(), &fleet.GRPC{}, []fleet.Pod{{Name: p.nodes[0].name, Address: p.nodes[0].grpc}}, 0)
	n := r.Nodes[0]
	l := w.layer
	if load.Total(n.Rows[l]) != 15 || n.Tokens[l] != 5 || n.Requests[l] != 1 || n.Tokens[1-l] != 0 {
		t.Errorf("layer %d: %d rows, %d tokens, %d requests", l, load.Total(n.Rows[l]), n.Tokens[l], n.Requests[l])
	}
	if rows, request := load.Total(n.QueueNs[l]), n.RequestQueueNs[l]; request == 0 || rows != 15*request {
		t.Errorf("rows waited %d ns, their request %d ns; want 15 times that", rows, request)
	}
}
