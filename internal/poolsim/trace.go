package poolsim

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Slot is the time between two looks at the pool, in seconds.
const Slot = 5.0

// Day is the number of slots of a trace.
const Day = 24 * 3600 / Slot

// Trace is a day of traffic.
type Trace struct {
	Name string
	// Demand in each slot, 1 is the day's regular peak.
	Demand []float64
	// Mix in each slot: which texts are read (Mixes[Mix[slot]]).
	Mix []int
	// Mixes are the mixtures of kinds of text that occur.
	Mixes []Text
}

// TraceNames are the traces that NewTrace makes.
var TraceNames = []string{"diurnal", "bursts", "shift", "all"}

// NewTrace makes a day: "diurnal" goes from a quarter of the peak at night to the
// peak; "bursts" adds what comes without notice; "shift" goes through the kinds of
// text, one after another; "all" is all three.
func NewTrace(name string, texts []Text, seed uint64) (*Trace, error) {
	t := &Trace{Name: name, Demand: make([]float64, Day), Mix: make([]int, Day)}
	r := seeded(seed, 0)
	t.diurnal(r)
	bursts, shift := name == "bursts" || name == "all", name == "shift" || name == "all"
	if !bursts && !shift && name != "diurnal" {
		return nil, fmt.Errorf("trace %q: want one of %v", name, TraceNames)
	}
	if bursts {
		t.bursts(r)
	}
	if shift {
		t.shift(texts)
	} else {
		t.Mixes = []Text{evenly(texts)}
	}
	return t, nil
}

func evenly(texts []Text) Text {
	weight := make([]float64, len(texts))
	for i := range weight {
		weight[i] = 1 / float64(len(texts))
	}
	return blend(texts, weight)
}

// diurnal: lowest at 4:00, highest at 16:00, and users who come and go by chance
// (an autoregressive process: 3 % standard deviation, two minutes of memory).
func (t *Trace) diurnal(r *rand.Rand) {
	const deviation, memory = 0.03, 120 / Slot
	keep := math.Exp(-1 / memory)
	x := 0.0
	for i := range t.Demand {
		hour := float64(i) * Slot / 3600
		day := 0.5 - 0.5*math.Cos(2*math.Pi*(hour-4)/24)
		x = keep*x + math.Sqrt(1-keep*keep)*deviation*r.NormFloat64()
		t.Demand[i] = (0.25 + 0.75*day) * math.Exp(x)
	}
}

// bursts: three in two hours, 10 to 40 % on top, risen within a minute or two,
// gone after 3 to 10 minutes.
func (t *Trace) bursts(r *rand.Rand) {
	const perSlot = 1.5 * Slot / 3600
	for i := range t.Demand {
		if r.Float64() >= perSlot {
			continue
		}
		height, rise, length := 0.1+0.3*r.Float64(), 60+60*r.Float64(), 180+420*r.Float64()
		for j := i; j < len(t.Demand) && float64(j-i)*Slot < length+rise; j++ {
			age := float64(j-i) * Slot
			t.Demand[j] *= 1 + height*max(0, min(1, age/rise, (length+rise-age)/rise))
		}
	}
}

// shift: every kind of text has its share of the day, and gives way to the next
// within ten minutes, in fadeSteps steps.
func (t *Trace) shift(texts []Text) {
	const fadeSteps, fade = 3, 600 / Slot
	kinds := len(texts)
	stretch := len(t.Mix) / kinds
	for k := range kinds {
		for f := range fadeSteps {
			weight := make([]float64, kinds)
			part := float64(f) / fadeSteps
			weight[k] += 1 - part
			weight[(k+1)%kinds] += part
			t.Mixes = append(t.Mixes, blend(texts, weight))
		}
	}
	for i := range t.Mix {
		k := min(i/stretch, kinds-1)
		left := float64((k+1)*stretch - i)
		f := 0
		if left < fade && k < kinds-1 {
			f = int((1 - left/fade) * fadeSteps)
		}
		t.Mix[i] = k*fadeSteps + f
	}
}
