package kernels

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// The benchmarks report what fraction of a limit a kernel reaches. The limit is
// measured right before and after each one, since the machine may be shared:
// ratios mean something where absolute rates do not.

// benchPool uses all cores, as a lone process would.
var benchPool = sync.OnceValue(func() *Pool { return NewPool(runtime.GOMAXPROCS(0)) })

// streamed is a buffer much larger than the caches.
var streamed = sync.OnceValue(func() []byte {
	buf := make([]byte, readBuffer)
	for i := range buf {
		buf[i] = byte(i*7) & 0x3f // finite in all types
	}
	return buf
})

// against runs pass b.N times and reports its rate and the fraction of what
// limit gives, both by their median, taking turns.
func against(b *testing.B, unit string, work float64, pass func(), limit func() float64) {
	pass()
	var rates, limits []float64
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		pass()
		rates = append(rates, work/time.Since(start).Seconds())
		b.StopTimer()
		if len(limits) < 15 {
			limits = append(limits, limit())
		}
		b.StartTimer()
	}
	b.ReportMetric(median(rates)/1e9, "G"+unit+"/s")
	b.ReportMetric(median(limits)/1e9, "G"+unit+"/s-limit")
	b.ReportMetric(median(rates)/median(limits), "of-limit")
}

func median(x []float64) float64 {
	x = append([]float64(nil), x...)
	for i := range x { // insertion sort: few values
		for j := i; j > 0 && x[j] < x[j-1]; j-- {
			x[j], x[j-1] = x[j-1], x[j]
		}
	}
	return x[len(x)/2]
}

// readOnce is the rate of one pass of plain reads over the streamed buffer.
func readOnce() float64 {
	buf, start := streamed(), time.Now()
	benchPool().Run(len(buf)/readChunk, func(i int) { active.read(buf[i*readChunk:][:readChunk]) })
	return float64(len(buf)) / time.Since(start).Seconds()
}

// peakOnce is the rate of about 5 ms of multiply-adds on all workers.
func peakOnce() float64 {
	const rounds = 150_000
	tasks := 8 * benchPool().Workers()
	start := time.Now()
	benchPool().Run(tasks, func(int) { active.fma(rounds) })
	return float64(tasks*rounds*active.fmaFlops) / time.Since(start).Seconds()
}

// BenchmarkDecode multiplies few rows by 256 MiB of weights, each read once.
func BenchmarkDecode(b *testing.B) {
	for _, d := range dtypes {
		for _, rows := range []int{1, 2, 3, 4, 8} {
			b.Run(fmt.Sprintf("%v/rows=%d", d, rows), func(b *testing.B) {
				const in = 2048
				w := Weight{Out: len(streamed()) / in / d.Size(), In: in, DType: d, Data: streamed()}
				x, dst := make([]float32, rows*in), make([]float32, rows*w.Out)
				against(b, "B", float64(len(w.Data)), func() { MatMul(benchPool(), dst, x, rows, w) }, readOnce)
			})
		}
	}
}

// BenchmarkMatMul multiplies many rows by one expert's matrix.
func BenchmarkMatMul(b *testing.B) {
	for _, d := range dtypes {
		for _, rows := range []int{4, 8, 16, 32, 48, 64, 128, 512} {
			b.Run(fmt.Sprintf("%v/rows=%d", d, rows), func(b *testing.B) {
				const out, in = 1024, 2048
				w := Weight{Out: out, In: in, DType: d, Data: streamed()[:out*in*d.Size()]}
				x, dst := make([]float32, rows*in), make([]float32, rows*out)
				against(b, "flop", 2*out*in*float64(rows), func() { MatMul(benchPool(), dst, x, rows, w) }, peakOnce)
			})
		}
	}
}

// BenchmarkAttention is one head of 128 over a cached context of 1024.
func BenchmarkAttention(b *testing.B) {
	const dim, n, stride = 128, 1024, 2048
	q, k, p := make([]float32, dim), make([]float32, n*stride), make([]float32, n)
	b.Run("DotRows", func(b *testing.B) {
		inCache(b, 4*dim*n, func() { DotRows(p, q, k, stride, n) })
	})
	b.Run("WeightedSum", func(b *testing.B) {
		inCache(b, 4*dim*n, func() { WeightedSum(q, p, k, stride, n) })
	})
	b.Run("Softmax", func(b *testing.B) { inCache(b, 4*n, func() { Softmax(p) }) })
}

// BenchmarkVector is one hidden row of 2048.
func BenchmarkVector(b *testing.B) {
	const n = 2048
	x, y, z := make([]float32, n), make([]float32, n), make([]float32, n)
	half := make([]byte, 2*n)
	for name, f := range map[string]func(){
		"RMSNorm":   func() { RMSNorm(x, y, z, 1e-5) },
		"Dot":       func() { Dot(x, y) },
		"Axpy":      func() { Axpy(x, y, 0.5) },
		"Add":       func() { Add(x, y) },
		"Scale":     func() { Scale(x, 1) },
		"Clamp":     func() { Clamp(x, 1) },
		"SiLUMul":   func() { SiLUMul(x, y, z) },
		"Rope":      func() { Rope(x, y[:n/2], z[:n/2]) },
		"WidenBF16": func() { Widen(x, tensor.BF16, half) },
		"WidenF16":  func() { Widen(x, tensor.F16, half) },
	} {
		b.Run(name, func(b *testing.B) { inCache(b, 4*n, f) })
	}
}

// inCache reports bytes of float32 per second and the ratio to portable Go.
func inCache(b *testing.B, bytes int, f func()) {
	for b.Loop() {
		f()
	}
	perCall := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64(bytes)/perCall/1e9, "GB/s")
	old := active
	active = &portable
	defer func() { active = old }()
	start, calls := time.Now(), 0
	for ; time.Since(start) < 20*time.Millisecond; calls++ {
		f()
	}
	b.ReportMetric(time.Since(start).Seconds()/float64(calls)/perCall, "x-portable")
}

// BenchmarkPool is the cost of an empty round, at once after another (workers
// still poll) and after a pause (workers are parked).
func BenchmarkPool(b *testing.B) {
	nothing := func(int) {}
	b.Run("busy", func(b *testing.B) {
		for b.Loop() {
			benchPool().Run(8, nothing)
		}
	})
	b.Run("parked", func(b *testing.B) {
		total := time.Duration(0)
		for range b.N {
			time.Sleep(200 * time.Microsecond)
			start := time.Now()
			benchPool().Run(8, nothing)
			total += time.Since(start)
		}
		b.ReportMetric(float64(total.Nanoseconds())/float64(b.N), "ns/round")
	})
}

func BenchmarkLimits(b *testing.B) {
	b.Run("ReadBandwidth", func(b *testing.B) {
		for range b.N {
			b.ReportMetric(ReadBandwidth(benchPool())/1e9, "GB/s")
		}
	})
	b.Run("F32Peak", func(b *testing.B) {
		for range b.N {
			b.ReportMetric(F32Peak(benchPool())/1e9, "Gflop/s")
		}
	})
}
