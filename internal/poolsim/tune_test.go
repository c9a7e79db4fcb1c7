package poolsim

import (
	"math"
	"testing"
)

// At a demand of 1 the peak's nodes are as busy as it says, however long the day is.
func TestRateIsOfThePeak(t *testing.T) {
	trace := hours(t, "diurnal", 10, 1)
	long := *trace
	long.Mix = append(append([]int(nil), trace.Mix...), trace.Mix...)
	long.Demand = append(append([]float64(nil), trace.Demand...), trace.Demand...)
	s := simulator(t, trace, 16)
	if a, b := s.rate(), simulator(t, &long, 16).rate(); math.Abs(a/b-1) > 1e-9 {
		t.Errorf("a rate of %g frames a second on a day, %g on one twice as long", a, b)
	}
	least, most := math.Inf(1), 0.0 // work of a frame, by the mixture of texts
	for _, m := range trace.Mix {
		var work float64
		for _, layer := range s.plans.work[m] {
			for _, a := range layer {
				work += a.mean
			}
		}
		least, most = min(least, work), max(most, work)
	}
	if busy := s.rate() / 16; busy*most < PeakUtilization*(1-1e-9) || busy*least > PeakUtilization*(1+1e-9) {
		t.Errorf("a node of the peak is busy for %g to %g of a second, want %g", busy*least, busy*most, PeakUtilization)
	}
}

// Of several policies the cheapest that keeps the bound is chosen; if none does, the
// first.
func TestTuneAll(t *testing.T) {
	s := simulator(t, hours(t, "diurnal", 15, .25), 16)
	fixed := func(name string, nodes float64) Candidate {
		return Candidate{Name: name, Targets: []float64{nodes}, New: func(n float64) Policy { return Static(int(n)) }}
	}
	few, enough, many := fixed("few", 8), fixed("enough", 32), fixed("many", 40)
	for want, l := range map[string]Ladder{
		"enough": {few, many, enough}, "many": {many, few}, "few": {few, fixed("fewer", 8)},
	} {
		best, err := TuneAll(l, s)
		if err != nil || best.Name != want || best.Kept != (want != "few") {
			t.Errorf("%+v, %v; want %s", best, err, want)
		}
	}
}
