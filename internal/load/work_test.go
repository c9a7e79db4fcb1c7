package load

import (
	"math"
	"math/rand/v2"
	"testing"
)

// roofline is the time of n rows of an expert in units of a row's arithmetic, on a
// machine that reads its weights in the time of ridge rows.
func roofline(n int, ridge float64) float64 { return max(float64(n), ridge) }

// decode is what nodes count that serve batches of so many tokens: skewed experts,
// 8 for each token, spread over the nodes as they come. Times are off by noise, and
// every node has a speed of its own.
func decode(rnd *rand.Rand, nodes, tokens int, ridge float64) []*Node {
	const layers, experts, batches = 16, 64, 60
	out := make([]*Node, nodes)
	for i := range out {
		out[i] = &Node{Seconds: 60, Counts: *NewCounts(layers, experts)}
		speed := 0.7 + 0.6*rnd.Float64()
		for l := range layers {
			took, popular := 0.0, popularity(rnd, experts)
			for range batches {
				for e := i; e < experts; e += nodes {
					n := draws(rnd, tokens, popular[e])
					if n == 0 {
						continue
					}
					out[i].Rows[l][e] += uint64(n)
					out[i].Activations[l][e]++
					took += roofline(n, ridge)
				}
			}
			out[i].BusyNs[l][i] = uint64(1e6 * took * speed * (1 + 0.05*rnd.NormFloat64()))
		}
	}
	return out
}

// popularity is the chance of each expert to be one of a token's, 8 in all.
func popularity(rnd *rand.Rand, experts int) []float64 {
	p, sum := make([]float64, experts), 0.0
	for e := range p {
		p[e] = math.Exp(0.8 * rnd.NormFloat64())
		sum += p[e]
	}
	for e := range p {
		p[e] = min(1, 8*p[e]/sum)
	}
	return p
}

func draws(rnd *rand.Rand, times int, chance float64) (n int) {
	for range times {
		if rnd.Float64() < chance {
			n++
		}
	}
	return n
}

// TestFitFindsTheSide: where reading takes the time, reads cost what they do and rows
// next to nothing; where arithmetic does, rows; in between it is both.
func TestFitFindsTheSide(t *testing.T) {
	tests := []struct {
		name         string
		tokens       int
		ridge        float64
		least, most  float64 // part of the work that is reading
		nodes, times int
	}{
		{"memory-bound: 8 tokens, a read costs 16 rows", 8, 16, 0.7, 1, 4, 20},
		{"memory-bound, two nodes", 8, 16, 0.65, 1, 2, 20},
		{"compute-bound: 128 tokens, a read costs half a row", 128, 0.5, 0, 0.15, 4, 20},
		{"between: 32 tokens, a read costs 4 rows", 32, 4, 0.2, 0.8, 4, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for k := range tt.times {
				nodes := decode(rand.New(rand.NewPCG(uint64(k), 7)), tt.nodes, tt.tokens, tt.ridge)
				w := Fit(nodes)
				if w.Row < 0 || w.Read < 0 || w.Row+w.Read == 0 {
					t.Fatalf("%+v is no work", w)
				}
				got := w.Reading(nodes)
				if got < tt.least || got > tt.most {
					t.Errorf("%d: %+v, reading is %.2f of the work, want %.2f to %.2f", k, w, got, tt.least, tt.most)
				}
			}
		})
	}
}

// TestFitWithLittleToLearnFrom: the answer is the model's, whatever is missing.
func TestFitWithLittleToLearnFrom(t *testing.T) {
	idle := &Node{Counts: *NewCounts(4, 8)}
	even := &Node{Counts: *NewCounts(4, 8)} // all layers alike
	for l := range 4 {
		even.Rows[l][0], even.Activations[l][0], even.BusyNs[l][0] = 300, 100, 1e9*uint64(l+1)
	}
	untold := &Node{Counts: *NewCounts(4, 8)} // no batches
	untold.Rows[0][0], untold.BusyNs[0][0] = 5, 5
	for name, nodes := range map[string][]*Node{"none": nil, "idle": {idle}, "even": {even, idle}, "untold": {untold}} {
		if w := Fit(nodes); math.Abs(w.Read/w.Row-readRows) > 1e-9 || w.Row <= 0 {
			t.Errorf("%s: %+v, want reads at %d rows each", name, w, readRows)
		}
	}
}

// TestFitBearsAStall: a node that stood still for a while tells nothing of reads.
func TestFitBearsAStall(t *testing.T) {
	for k := range uint64(20) {
		nodes := decode(rand.New(rand.NewPCG(k, 8)), 4, 8, 16)
		calm := Fit(nodes).Reading(nodes)
		nodes[1].BusyNs[k%16][1] *= 20
		if got := Fit(nodes).Reading(nodes); math.Abs(got-calm) > 0.35 {
			t.Errorf("%d: reading %.2f of the work, %.2f without the stall", k, got, calm)
		}
	}
}

// TestFitKeepsTheUnit: whatever costs what, all work together costs what it does by the model,
// so that costs learnt at different times can be compared.
func TestFitKeepsTheUnit(t *testing.T) {
	for _, c := range []struct {
		tokens int
		ridge  float64
		steep  bool // layers differ more than rows and reads can explain
	}{{8, 16, false}, {128, 0.5, false}, {8, 16, true}} {
		nodes := decode(rand.New(rand.NewPCG(5, 9)), 4, c.tokens, c.ridge)
		var model, learnt float64
		for _, n := range nodes {
			for l := range n.Rows {
				if c.steep {
					reads := float64(Total(n.Activations[l])) / float64(Total(n.Rows[l]))
					n.BusyNs[l] = make([]uint64, len(n.BusyNs[l]))
					n.BusyNs[l][0] = uint64(float64(Total(n.Rows[l])) * math.Exp(40*reads))
				}
				model += float64(Total(n.Rows[l])) + readRows*float64(Total(n.Activations[l]))
			}
		}
		w := Fit(nodes)
		for _, n := range nodes {
			for l := range n.Rows {
				learnt += w.Row*float64(Total(n.Rows[l])) + w.Read*float64(Total(n.Activations[l]))
			}
		}
		if math.Abs(learnt/model-1) > 1e-9 {
			t.Errorf("%+v: %+v makes all work cost %.3f of what it does by the model", c, w, learnt/model)
		}
	}
}

func TestCosts(t *testing.T) {
	rows, reads := [][]float64{{100, 4}}, [][]float64{{10, 2}}
	for w, want := range map[Work][2]float64{{Row: 1}: {100, 4}, {Read: 1}: {10, 2}, {Row: 0.5, Read: 3}: {80, 8}} {
		if got := w.Costs(rows, reads)[0]; got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%+v: costs %v, want %v", w, got, want)
		}
	}
	if got := (Work{Row: 1}).Costs(nil, nil); got != nil {
		t.Errorf("costs of nothing known: %v, want nil", got)
	}
	if got := (Work{Row: 1, Read: 2}).Reading(nil); got != 0 {
		t.Errorf("no node spends %v of its work reading", got)
	}
}
