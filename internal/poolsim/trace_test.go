package poolsim

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

func wholeDay(t *testing.T, name string) *Trace {
	t.Helper()
	trace, err := NewTrace(name, ZipfTexts(3, 1), 5)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// A day is quiet at 4:00, a quarter of the peak, and busy at 16:00.
func TestDiurnal(t *testing.T) {
	demand := wholeDay(t, "diurnal").Demand
	for hour, want := range map[float64]float64{4: 0.25, 10: 0.625, 16: 1, 22: 0.625} {
		from := int((hour - .5) * 3600 / Slot)
		var sum float64
		for _, d := range demand[from : from+int(3600/Slot)] {
			sum += d
		}
		if mean := sum * Slot / 3600; math.Abs(mean/want-1) > 0.05 {
			t.Errorf("around %g:00 the demand is %.3f, want about %g", hour, mean, want)
		}
	}
}

// Bursts come on top of the same day, for about a fifth of it, and rise and fall within
// minutes: no step of five seconds is a large one.
func TestBursts(t *testing.T) {
	plain, demand := wholeDay(t, "diurnal").Demand, wholeDay(t, "bursts").Demand
	more, before, most := 0, 1.0, 1.0
	for i := range demand {
		on := demand[i] / plain[i]
		if on < 1-1e-9 || math.Abs(on-before) > 0.08 {
			t.Fatalf("slot %d: %.3f times the day's demand, %.3f before", i, on, before)
		}
		if on > 1+1e-9 {
			more++
		}
		before, most = on, max(most, on)
	}
	if part := float64(more) / Day; part < 0.1 || part > 0.35 || most < 1.3 || most > 2 {
		t.Errorf("bursts in %.2f of the day, up to %.2f times its demand", part, most)
	}
}

// In the middle of its share of a day each kind of text is read alone.
func TestShift(t *testing.T) {
	texts, trace := ZipfTexts(3, 1), wholeDay(t, "shift")
	for k, text := range texts {
		mix := trace.Mixes[trace.Mix[(2*k+1)*len(trace.Mix)/6]]
		for l := range mix {
			if !slices.Equal(mix[l], text[l]) {
				t.Errorf("kind %d is not read alone in layer %d", k, l)
			}
		}
	}
}

// Layers that were not measured are like the nearest that was.
func TestLayersLikeTheNearest(t *testing.T) {
	counts := map[string][]float64{"2": make([]float64, Experts), "12": make([]float64, Experts)}
	for e := range Experts {
		counts["2"][e], counts["12"][e] = 1, float64(e+1)
	}
	raw, err := json.Marshal(map[string]any{"kind": counts})
	if err != nil {
		t.Fatal(err)
	}
	texts, err := ReadTexts(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for l, row := range texts[0] {
		if even := slices.Max(row) == slices.Min(row); even != (l <= 7) {
			t.Errorf("layer %d is like layer 2: %v", l, even)
		}
	}
}
