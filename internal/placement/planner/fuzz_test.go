package planner

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// FuzzPlanByLoad feeds odd loads, limits and damaged current placements, and
// checks every promise of TestFromCurrent.
func FuzzPlanByLoad(f *testing.F) {
	f.Add(uint8(2), uint8(12), uint8(8), uint8(1), uint8(4), uint8(0), 0.0, []byte{1, 2, 3, 200}, []byte{3, 1, 4, 1, 5, 9, 2, 6})
	f.Add(uint8(1), uint8(40), uint8(5), uint8(2), uint8(30), uint8(3), 0.01, []byte{0, 0, 255, 7}, []byte{255, 255, 255, 127, 0, 0, 0, 0, 1, 1})
	f.Add(uint8(1), uint8(64), uint8(8), uint8(1), uint8(72), uint8(0), 0.0, []byte{}, slices.Concat([]byte{1}, make([]byte, 511)))
	f.Add(uint8(1), uint8(64), uint8(8), uint8(1), uint8(8), uint8(0), 0.0, []byte{}, slices.Concat(make([]byte, 7), []byte{128}, make([]byte, 504)))
	f.Add(uint8(3), uint8(1), uint8(1), uint8(1), uint8(0), uint8(1), 1e300, []byte{9}, []byte{})
	f.Fuzz(func(t *testing.T, layers, experts, n, replicas, spare, maxMoves uint8, minGain float64, held, raw []byte) {
		r := Request{Layers: int(layers % 4), Experts: int(experts % 70), Nodes: nodes(int(n % 12)),
			Replicas: int(replicas % 4), MinGain: minGain, MaxMoves: int(maxMoves)}
		r.Slots = r.Experts*r.Replicas + int(spare)
		r.Loads = rawLoads(r, raw)
		r.Current = damaged(r, held)
		if _, err := Plan(r); err != nil {
			return
		}
		checkFromCurrent(t, r)
		r.Current = nil
		p := mustPlan(t, r)
		checkPlan(t, r, p)
		for l, b := range p.Balancedness(r.Loads) {
			if bound := r.Bounds()[l]; b > bound*(1+1e-9) {
				t.Fatalf("layer %d: balancedness %v exceeds the bound %v", l, b, bound)
			}
		}
		r.Current, r.MinGain, r.MaxMoves = p, 0, 0
		if moves := placement.Diff(p, mustPlan(t, r), 1); len(moves) > 0 {
			t.Fatalf("a plan from its own result moves %d experts", len(moves))
		}
	})
}

// rawLoads takes whole floats while there are some, then single bytes.
func rawLoads(r Request, raw []byte) [][]float64 {
	out := make([][]float64, r.Layers)
	for l := range out {
		for e := range r.Experts {
			w := float64(e % 5)
			if k := l*r.Experts + e; 8*k+8 <= len(raw) {
				w = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*k:]))
				if w != 0 { // -0 is a load, too
					w = math.Abs(w)
				}
			} else if k < len(raw) {
				w = float64(raw[k])
			}
			out[l] = append(out[l], w)
		}
	}
	return out
}
