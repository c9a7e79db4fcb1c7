package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// costs reads the loads, and adds what reading weights costs if that is given.
func (f *planFlags) costs() (loads map[string][]float64, err error) {
	if loads, err = readLoads(f.loads); err != nil || f.activations == "" {
		return loads, err
	}
	active, err := readLoads(f.activations)
	if err != nil {
		return nil, err
	}
	for key, layer := range loads {
		if len(active[key]) != len(layer) {
			return nil, fmt.Errorf("%s: layer %s has %d experts, in %s it has %d", f.activations, key, len(active[key]), f.loads, len(layer))
		}
		loads[key] = load.Work{Row: 1, Read: f.readRows}.Costs([][]float64{layer}, [][]float64{active[key]})[0]
		if err := planner.CheckLoads(loads[key]); err != nil {
			return nil, fmt.Errorf("%s with --read-rows %v: layer %s: %w", f.activations, f.readRows, key, err)
		}
	}
	return loads, nil
}

// readLoads refuses null, which would count as 0 without a word, and two names of one layer.
func readLoads(name string) (map[string][]float64, error) {
	var file map[string][]*float64
	if err := readJSON(name, &file); err != nil {
		return nil, err
	}
	loads := make(map[string][]float64, len(file))
	for _, key := range layerOrder(file) {
		if n, err := strconv.Atoi(key); err != nil || n < 0 || strconv.Itoa(n) != key {
			return nil, fmt.Errorf("%s: layer %q is not a number as 0, 1 or 12", name, key)
		}
		loads[key] = make([]float64, len(file[key]))
		for i, v := range file[key] {
			if v == nil {
				return nil, fmt.Errorf("%s: layer %s: the load of expert %d is null", name, key, i)
			}
			loads[key][i] = *v
		}
		if err := planner.CheckLoads(loads[key]); err != nil {
			return nil, fmt.Errorf("%s: layer %s: %w", name, key, err)
		}
	}
	return loads, nil
}

func layerOrder[V any](layers map[string]V) []string {
	return slices.SortedFunc(maps.Keys(layers), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}
