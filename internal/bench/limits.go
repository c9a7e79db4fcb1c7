package bench

import (
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/kernels"
)

// Limits are what this machine can do.
type Limits struct {
	Read    float64 `json:"read_bytes_per_second"`    // in order: what results are held against
	Streams float64 `json:"streams_bytes_per_second"` // from four places at once, requested ahead
	Int8    float64 `json:"int8_ops_per_second"`
	F32     float64 `json:"f32_flops_per_second"`
}

// Measure takes about a second.
func Measure(pool *kernels.Pool) Limits {
	read, streams := kernels.ReadBandwidth(pool)
	return Limits{Read: read, Streams: streams, Int8: kernels.Int8Peak(pool), F32: kernels.F32Peak(pool)}
}

// between is the mean of the limits before and after a run: a machine that others
// use too changes its speed, and a result must be held against what it was then.
func between(a, b Limits) Limits {
	return Limits{
		Read: (a.Read + b.Read) / 2, Streams: (a.Streams + b.Streams) / 2,
		Int8: (a.Int8 + b.Int8) / 2, F32: (a.F32 + b.F32) / 2,
	}
}

// medianOf is each limit's median.
func medianOf(all []Limits) Limits {
	of := func(pick func(Limits) float64) float64 {
		var v []float64
		for _, l := range all {
			v = append(v, pick(l))
		}
		return median(v)
	}
	return Limits{
		Read:    of(func(l Limits) float64 { return l.Read }),
		Streams: of(func(l Limits) float64 { return l.Streams }),
		Int8:    of(func(l Limits) float64 { return l.Int8 }),
		F32:     of(func(l Limits) float64 { return l.F32 }),
	}
}

// median is 0 of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
