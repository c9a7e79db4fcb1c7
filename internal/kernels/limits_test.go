package kernels

import "testing"

func TestLimitsArePlausible(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	for _, pool := range []*Pool{nil, p} {
		read, streams := readBandwidth(pool, 16<<20)
		for _, rate := range []float64{read, streams} {
			if rate < 1e7 || rate > 1e13 {
				t.Errorf("%d workers: %g bytes read per second", pool.Workers(), rate)
			}
		}
		peak := F32Peak(pool)
		if peak < 1e6 || peak > 1e13 {
			t.Errorf("%d workers: %g float32 operations per second", pool.Workers(), peak)
		}
	}
}

// Every set can measure itself; shorter buffers than a block must do no harm.
func TestLimitLoopsOfEachSet(t *testing.T) {
	for _, s := range available() {
		for _, n := range []int{0, 7, 8, 255, 256, 1000} {
			s.read(make([]byte, n))
			s.readStreams(make([]byte, n))
		}
		s.fma(10)
		s.int8(10)
		if s.fmaFlops < 2 || s.int8Ops < 2 {
			t.Errorf("%s: %d and %d operations a round", s.name, s.fmaFlops, s.int8Ops)
		}
	}
}

func TestBestTakesTheFastestPass(t *testing.T) {
	calls := 0
	rate := best(1e9, func() { calls++ })
	if calls != limitPasses || rate < 1e9 {
		t.Errorf("%d passes, rate %g; want %d passes and over 1e9 a second for nothing", calls, rate, limitPasses)
	}
}
