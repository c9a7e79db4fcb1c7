package poolsim

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// The model: OLMoE-1B-7B.
const (
	Layers  = 16
	Experts = 64
	TopK    = 8
)

// Text is how often tokens of one kind of text choose each expert:
// [Layers][Experts] probabilities, of which each row sums to TopK.
type Text [][]float64

// ReadTexts reads counts of choices, {kind: {layer: [count of each expert]}}. The
// measured layers stand for those near them; every layer numbers its experts in an
// order of its own, the same for all kinds, so that experts of one number are not
// hot in all layers at once. Kinds that have top1 in their names are left out: they
// count the first of a token's choices only.
func ReadTexts(r io.Reader) ([]Text, error) {
	var file map[string]map[string][]float64
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, fmt.Errorf("counts of expert choices: %w", err)
	}
	var texts []Text
	for _, kind := range slices.Sorted(maps.Keys(file)) {
		if strings.Contains(kind, "top1") {
			continue
		}
		t, err := newText(file[kind])
		if err != nil {
			return nil, fmt.Errorf("counts of %s: %w", kind, err)
		}
		texts = append(texts, t)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("counts of expert choices: no kind of text in the file")
	}
	return texts, nil
}

func newText(counts map[string][]float64) (Text, error) {
	measured := map[int][]float64{}
	for name, row := range counts {
		l, err := strconv.Atoi(name)
		if err != nil || len(row) != Experts {
			return nil, fmt.Errorf("layer %q with %d counts, want a number and %d counts", name, len(row), Experts)
		}
		if !counted(row) {
			return nil, fmt.Errorf("layer %q has counts below zero, no choice at all, or too many to add up", name)
		}
		measured[l] = row
	}
	if len(measured) == 0 {
		return nil, fmt.Errorf("no layer")
	}
	t := make(Text, Layers)
	for l := range t {
		nearest := slices.MinFunc(slices.Sorted(maps.Keys(measured)), func(a, b int) int { return distance(a, l) - distance(b, l) })
		t[l] = choices(measured[nearest], shuffled(l))
	}
	return t, nil
}

// counted says that probabilities can be made of counts.
func counted(row []float64) bool {
	var sum float64
	for _, c := range row {
		sum += c
	}
	return slices.Min(row) >= 0 && sum > 0 && sum <= math.MaxFloat64/TopK
}

// seeded makes numbers that only a simulation sees: the same ones for the same seed.
func seeded(seed, stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream)) //nolint:gosec // no secrets
}

func distance(a, b int) int { return max(a-b, b-a) }

func shuffled(l int) []int { return seeded(uint64(l), 64).Perm(Experts) }

// choices turns counts into probabilities. No token chooses an expert twice, so
// none exceeds 1.
func choices(counts []float64, order []int) []float64 {
	var total float64
	for _, c := range counts {
		total += c
	}
	p := make([]float64, Experts)
	for e, c := range counts {
		p[order[e]] = min(1, TopK*c/total)
	}
	return p
}

// ZipfTexts makes kinds of text where nothing measured is at hand: in each layer
// the expert of rank k is chosen in proportion to (k+3)^-0.8, which is about as
// uneven as what was measured (the hottest has 7 times the mean); the ranks differ
// between kinds.
func ZipfTexts(kinds int, seed uint64) []Text {
	texts := make([]Text, kinds)
	for i := range texts {
		r := seeded(seed, uint64(i))
		texts[i] = make(Text, Layers)
		for l := range texts[i] {
			counts := make([]float64, Experts)
			for k := range counts {
				counts[k] = math.Pow(float64(k+3), -0.8)
			}
			texts[i][l] = choices(counts, r.Perm(Experts))
		}
	}
	return texts
}

// blend is a mixture of texts.
func blend(texts []Text, weight []float64) Text {
	out := make(Text, Layers)
	for l := range out {
		out[l] = make([]float64, Experts)
		for i, t := range texts {
			for e, p := range t[l] {
				out[l][e] += weight[i] * p
			}
		}
	}
	return out
}
