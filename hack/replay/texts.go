package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// text is a kind of text: how often each expert is chosen, [layer][expert].
type text struct {
	name  string
	loads [][]float64
}

// countedLayers are those that the counts have, by OLMoE's numbers.
var countedLayers = []string{"0", "7", "15"}

// readTexts reads counts {kind: {layer: [count of each expert]}}, sorted by name.
// Kinds that count first choices only are left out: all choices make the load.
func readTexts(file string) ([]text, error) {
	raw, err := os.ReadFile(file) //nolint:gosec // a flag
	if err != nil {
		return nil, err
	}
	var counts map[string]map[string][]float64
	if err := json.Unmarshal(raw, &counts); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var list []text
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if strings.Contains(name, "top1") {
			continue
		}
		x := text{name: strings.TrimPrefix(name, "olmoe-")}
		for _, layer := range countedLayers {
			if len(counts[name][layer]) == 0 {
				return nil, fmt.Errorf("%s: %s has no counts of layer %s", file, name, layer)
			}
			x.loads = append(x.loads, counts[name][layer])
		}
		list = append(list, x)
	}
	if len(list) < 2 {
		return nil, fmt.Errorf("%s: %d kinds of text, a shift needs two", file, len(list))
	}
	return list, nil
}

// madeUpTexts have a few hot experts, others in each kind.
func madeUpTexts() (list []text) {
	const kinds, experts = 8, 64
	for kind := range kinds {
		rnd := rand.New(rand.NewPCG(uint64(kind), 5)) //nolint:gosec // a trial that can be repeated
		x := text{name: fmt.Sprintf("made-up-%d", kind)}
		for range countedLayers {
			loads := make([]float64, experts)
			for rank, e := range rnd.Perm(experts) {
				loads[e] = 1e5 / float64(rank+4) // Zipf's law, flattened
			}
			x.loads = append(x.loads, loads)
		}
		list = append(list, x)
	}
	return list
}

// mixture has the mean of the texts' shares: traffic of all kinds at once.
func mixture(list []text) text {
	m := text{name: "mixture"}
	for l := range list[0].loads {
		sum := make([]float64, len(list[0].loads[l]))
		for _, x := range list {
			for e, p := range shares(x.loads[l], 1) {
				sum[e] += p
			}
		}
		m.loads = append(m.loads, sum)
	}
	return m
}
