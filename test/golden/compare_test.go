package golden_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/goldentest"
)

// Tolerances of float32 activations against the float32 reference, whose own
// error in other summation orders is below a fifth of these.
const (
	logitTolerance    = 5e-4
	hiddenTolerance   = 1e-4
	weightTolerance   = 2e-5
	logprobTolerance  = 2e-3 // of a prompt's total
	routerGapUnstable = 1e-4 // below it the selection may flip
	topGapUnstable    = 1e-3 // below it neighbours of the top 20 may swap
)

type prompt struct {
	Name         string  `json:"name"`
	File         string  `json:"file"`
	TokenIDs     []int32 `json:"token_ids"`
	GreedyIDs    []int32 `json:"greedy_ids"`
	SafeSteps    int     `json:"greedy_safe_steps_f32"`
	TotalLogprob float64 `json:"total_logprob"`
}

func readPrompts(t *testing.T, path string) []prompt {
	t.Helper()
	var f struct {
		Prompts []prompt `json:"prompts"`
	}
	goldentest.JSON(t, &f, path)
	return f.Prompts
}

// array is a tensor of a golden file; one of the slices is set.
type array struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
	f       []float32
	i       []int32
}

func load(t *testing.T, path string) map[string]array {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := int(binary.LittleEndian.Uint64(b))
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		t.Fatal(err)
	}
	delete(raw, "__metadata__")
	out := map[string]array{}
	for name, r := range raw {
		var a array
		if err := json.Unmarshal(r, &a); err != nil {
			t.Fatal(err)
		}
		for data := b[8+n:][a.Offsets[0]:a.Offsets[1]]; len(data) > 0; data = data[4:] {
			bits := binary.LittleEndian.Uint32(data)
			if a.DType == "I32" {
				a.i = append(a.i, int32(bits))
			} else {
				a.f = append(a.f, math.Float32frombits(bits))
			}
		}
		out[name] = a
	}
	return out
}

func compare(t *testing.T, p prompt, want, got map[string]array) {
	t.Helper()
	for name, w := range want {
		if g, ok := got[name]; !ok || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) {
			t.Fatalf("%s: %s is %s %v, want %s %v", p.Name, name, g.DType, g.Shape, w.DType, w.Shape)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%s: %d tensors, want %d", p.Name, len(got), len(want))
	}
	if !slices.Equal(want["token_ids"].i, got["token_ids"].i) {
		t.Errorf("%s: token_ids differ", p.Name)
	}
	for name, tolerance := range map[string]float64{
		"logits_last": logitTolerance, "hidden_last": hiddenTolerance, "final_norm_last": hiddenTolerance, "top20_logits": logitTolerance,
	} {
		if d := worst(want[name].f, got[name].f); !(d <= tolerance) {
			t.Errorf("%s: %s differs by %g, want <= %g", p.Name, name, d, tolerance)
		}
	}
	compareRouting(t, p, want, got)
	compareTop(t, p, want, got)
	total := 0.0
	for _, v := range got["token_logprobs"].f {
		total += float64(v)
	}
	if d := math.Abs(total - p.TotalLogprob); !(d <= logprobTolerance) {
		t.Errorf("%s: total log-probability differs by %g", p.Name, d)
	}
}

func worst(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i])-float64(b[i]))) // NaN stays NaN
	}
	return d
}

// compareRouting compares selected experts as sets, and the weight of each, where
// the selection is not a tie.
func compareRouting(t *testing.T, p prompt, want, got map[string]array) {
	t.Helper()
	k := want["router_ids"].Shape[2]
	for at, gap := range want["router_gap"].f {
		if gap < routerGapUnstable {
			continue
		}
		weights := map[int32]float32{}
		for j := at * k; j < (at+1)*k; j++ {
			weights[got["router_ids"].i[j]] = got["router_weights"].f[j]
		}
		for j := at * k; j < (at+1)*k; j++ {
			id := want["router_ids"].i[j]
			w, ok := weights[id]
			if !ok || !(math.Abs(float64(w-want["router_weights"].f[j])) <= weightTolerance) {
				t.Errorf("%s: routing %d: expert %d has weight %g (selected: %v), want %g", p.Name, at, id, w, ok, want["router_weights"].f[j])
			}
		}
	}
}

func compareTop(t *testing.T, p prompt, want, got map[string]array) {
	t.Helper()
	n := want["top20_ids"].Shape[1]
	logits := want["top20_logits"].f
	for i, id := range want["top20_ids"].i {
		col := i % n
		distinct := (col == 0 || logits[i-1]-logits[i] > topGapUnstable) && col < n-1 && logits[i]-logits[i+1] > topGapUnstable
		if distinct && got["top20_ids"].i[i] != id {
			t.Errorf("%s: top20_ids[%d][%d] = %d, want %d", p.Name, i/n, col, got["top20_ids"].i[i], id)
		}
	}
}

func compareGreedy(t *testing.T, prompts []prompt, path string) {
	t.Helper()
	var got map[string][]int32
	goldentest.JSON(t, &got, path)
	for _, p := range prompts {
		ids := got[p.Name]
		if len(ids) != len(p.GreedyIDs) {
			t.Errorf("%s: %d greedy tokens, want %d", p.Name, len(ids), len(p.GreedyIDs))
			continue
		}
		if !slices.Equal(ids[:p.SafeSteps], p.GreedyIDs[:p.SafeSteps]) {
			t.Errorf("%s: greedy %v, want %v", p.Name, ids[:p.SafeSteps], p.GreedyIDs[:p.SafeSteps])
		}
	}
}
