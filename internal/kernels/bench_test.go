package kernels

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/mem"
	"github.com/olmoe-serving/olmoe-operator/internal/tensor"
)

// The benchmarks report what fraction of a limit a kernel reaches. The limit is
// measured right before and after every pass, since the machine may be shared:
// ratios mean something where absolute rates do not.

// benchPool uses all cores, as a lone process would.
var benchPool = sync.OnceValue(func() *Pool { return NewPool(runtime.GOMAXPROCS(0)) })

// streamed is a buffer much larger than the caches.
var streamed = sync.OnceValue(func() []byte {
	buf, err := mem.Allocate(readBuffer) // in large pages, as a checkpoint's
	if err != nil {
		panic(err)
	}
	for i := range buf {
		buf[i] = 0x38 + byte(i*5)&7 // in all types about 1: numbers near 0 would take assists
	}
	return buf
})

// floats are written memory: fresh pages are all one page of zeros, which reads
// slower (many addresses for one cache line) or faster than real data.
func floats(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%17) - 8
	}
	return x
}

// against reports the rate of pass and its fraction of limit, medians over b.N
// passes, and the fraction that the best tenth of them reach.
func against(b *testing.B, unit string, work float64, pass func(), limit func() float64) {
	pass()
	var rates, limits, fractions []float64
	before := limit()
	for range b.N {
		start := time.Now()
		pass()
		rate := work / time.Since(start).Seconds()
		after := limit()
		rates, limits = append(rates, rate), append(limits, after)
		fractions = append(fractions, 2*rate/(before+after))
		before = after
	}
	b.ReportMetric(0, "ns/op") // would include the limits
	b.ReportMetric(quantile(rates, 0.5)/1e9, "G"+unit+"/s")
	b.ReportMetric(quantile(limits, 0.5)/1e9, "G"+unit+"/s-limit")
	b.ReportMetric(quantile(fractions, 0.5), "of-limit")
	b.ReportMetric(quantile(fractions, 0.9), "of-limit-p90")
}

func quantile(x []float64, q float64) float64 {
	slices.Sort(x)
	return x[int(q*float64(len(x)-1)+0.5)]
}

// passBytes is what one pass reads: short against a time slice of the scheduler,
// so that most passes are not interrupted.
const passBytes = 4 << 20

// walk returns the next piece of the streamed buffer, long out of the caches.
func walk() func() []byte {
	at := 0
	return func() []byte {
		at = (at + passBytes) % readBuffer
		return streamed()[at:][:passBytes]
	}
}

// readRate is the rate of plain reads over all workers.
func readRate(buf []byte) float64 {
	const chunk = 64 << 10
	start := time.Now()
	benchPool().Run(len(buf)/chunk, func(i int) { active.read(buf[i*chunk:][:chunk]) })
	return float64(len(buf)) / time.Since(start).Seconds()
}

// peakOnce is the rate of about a millisecond of multiply-adds on all workers.
func peakOnce() float64 {
	const rounds = 20_000
	tasks := 16 * benchPool().Workers()
	start := time.Now()
	benchPool().Run(tasks, func(int) { active.fma(rounds) })
	return float64(tasks*rounds*active.fmaFlops) / time.Since(start).Seconds()
}

// BenchmarkDecode multiplies few rows by weights that each pass reads anew.
func BenchmarkDecode(b *testing.B) {
	for _, d := range dtypes {
		for _, rows := range []int{1, 2, 3, 4, 6, 8} {
			b.Run(fmt.Sprintf("%v/rows=%d", d, rows), func(b *testing.B) {
				const in = 2048
				w := Weight{Out: passBytes / in / d.Size(), In: in, DType: d}
				x, dst, next := floats(rows*in), floats(rows*w.Out), walk()
				against(b, "B", passBytes, func() {
					w.Data = next()
					MatMul(benchPool(), dst, x, rows, w)
				}, func() float64 { return readRate(next()) })
			})
		}
	}
}

// BenchmarkMatMul multiplies many rows by one expert's matrix.
func BenchmarkMatMul(b *testing.B) {
	for _, d := range dtypes {
		for _, rows := range []int{2, 4, 6, 8, 12, 16, 24, 48, 96, 512} {
			b.Run(fmt.Sprintf("%v/rows=%d", d, rows), func(b *testing.B) {
				const out, in = 1024, 2048
				w := Weight{Out: out, In: in, DType: d, Data: streamed()[:out*in*d.Size()]}
				x, dst := floats(rows*in), floats(rows*out)
				against(b, "flop", 2*out*in*float64(rows), func() { MatMul(benchPool(), dst, x, rows, w) }, peakOnce)
			})
		}
	}
}

// int8Once is peakOnce for 8-bit integers.
func int8Once() float64 {
	const rounds = 20_000
	tasks := 16 * benchPool().Workers()
	start := time.Now()
	benchPool().Run(tasks, func(int) { active.int8(rounds) })
	return float64(tasks*rounds*active.int8Ops) / time.Since(start).Seconds()
}

// int8Pass is the shape of a pass in 8-bit form.
func int8Pass(in int) Weight {
	return Weight{Out: passBytes / int8BlockBytes(in) * int8Block, In: in, Int8: true}
}

// BenchmarkInt8 is BenchmarkDecode and BenchmarkMatMul in 8-bit form, the
// quantisation of x included.
func BenchmarkInt8(b *testing.B) {
	const in = 2048
	for _, rows := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("decode/rows=%d", rows), func(b *testing.B) {
			w := int8Pass(in)
			x, dst, next := floats(rows*in), floats(rows*w.Out), walk()
			against(b, "B", passBytes, func() {
				w.Data = next()[:w.size()]
				MatMul(benchPool(), dst, x, rows, w)
			}, func() float64 { return readRate(next()) })
		})
	}
	for _, rows := range []int{2, 4, 8, 16, 48, 512} {
		b.Run(fmt.Sprintf("matmul/rows=%d", rows), func(b *testing.B) {
			const out = 1024
			w := Weight{Out: out, In: in, Int8: true, Data: streamed()[:Int8Bytes(out, in)]}
			x, dst := floats(rows*in), floats(rows*out)
			against(b, "op", 2*out*in*float64(rows), func() { MatMul(benchPool(), dst, x, rows, w) }, int8Once)
		})
	}
}

// BenchmarkPrefill multiplies as many rows as an expert has of a prompt by weights that each
// pass reads anew, against arithmetic alone.
func BenchmarkPrefill(b *testing.B) {
	const in = 2048
	for _, form := range []struct {
		name  string
		w     Weight
		limit func() float64
	}{
		{"int8", int8Pass(in), int8Once},
		{"bf16", Weight{Out: passBytes / in / 2, In: in, DType: tensor.BF16}, peakOnce},
	} {
		for _, rows := range []int{4, 8, 12, 16, 24, 32, 64} {
			b.Run(fmt.Sprintf("%s/rows=%d", form.name, rows), func(b *testing.B) {
				w := form.w
				x, dst, next := floats(rows*in), floats(rows*w.Out), walk()
				against(b, "op", 2*in*float64(w.Out*rows), func() {
					w.Data = next()[:w.size()]
					MatMul(benchPool(), dst, x, rows, w)
				}, form.limit)
			})
		}
	}
}

// BenchmarkQuantise makes one expert's matrix from BF16.
func BenchmarkQuantise(b *testing.B) {
	const out, in = 1024, 2048
	w := Weight{Out: out, In: in, DType: tensor.BF16, Data: streamed()[:2*out*in]}
	data := make([]byte, Int8Bytes(out, in))
	against(b, "B", 2*out*in, func() { Quantise(benchPool(), w, data) }, func() float64 { return readRate(streamed()[:passBytes]) })
}

// BenchmarkAttention is one head of 128 over a cached context of 1024.
func BenchmarkAttention(b *testing.B) {
	const dim, n = 128, 1024
	p := floats(n)
	for _, rows := range []int{1, 6} {
		for _, d := range []tensor.DType{tensor.BF16, tensor.F32} {
			for _, cols := range []int{16, dim} { // scores; values
				k := 16 * dim / cols
				blocks, a, dst := streamed()[:n*dim*d.Size()], floats(rows*k), floats(rows*cols)
				b.Run(fmt.Sprintf("%v/rows=%d/cols=%d", d, rows, cols), func(b *testing.B) {
					least := leastTime(len(blocks), 2*rows*dim*n)
					inCache(b, 2*rows*dim*n, least, func() { addBlocks(dst, a, rows, k, cols, d, blocks) })
				})
			}
		}
	}
	b.Run("ExpSum", func(b *testing.B) { inCache(b, 4*n, leastTime(2*4*n, 0), func() { ExpSum(p) }) })
}

// addBlocks takes pages of 16 positions one after the other.
func addBlocks(dst, a []float32, rows, k, cols int, d tensor.DType, blocks []byte) {
	for n := k * cols * d.Size(); len(blocks) >= n; blocks = blocks[n:] {
		AddProduct(dst, cols, a, k, rows, Block{d, blocks[:n], k, cols}, nil)
	}
}

// BenchmarkVector is one hidden row of 2048.
func BenchmarkVector(b *testing.B) {
	const n = 2048
	x, y, z := floats(n), floats(n), floats(n)
	half := make([]byte, 2*n)
	for name, k := range map[string]struct {
		touched int // bytes an element that are read or written
		f       func()
	}{
		"RMSNorm":   {4 * 4, func() { RMSNorm(x, y, z, 1e-5) }}, // y twice
		"Dot":       {2 * 4, func() { Dot(x, y) }},
		"Axpy":      {3 * 4, func() { Axpy(x, y, 0.5) }},
		"Add":       {3 * 4, func() { Add(x, y) }},
		"Scale":     {2 * 4, func() { Scale(x, 1) }},
		"Clamp":     {2 * 4, func() { Clamp(x, 1) }},
		"SiLUMul":   {3 * 4, func() { SiLUMul(x, y, z) }},
		"Rope":      {3 * 4, func() { Rope(x, y[:n/2], z[:n/2]) }},
		"WidenBF16": {2 + 4, func() { Widen(x, tensor.BF16, half) }},
		"WidenF16":  {2 + 4, func() { Widen(x, tensor.F16, half) }},
	} {
		b.Run(name, func(b *testing.B) { inCache(b, 4*n, leastTime(k.touched*n, 0), k.f) })
	}
}

// leastTime measures how long one thread needs at the least to touch so many bytes, which
// stay in its caches, and for so many float32 operations: whichever takes longer. What
// arithmetic vector kernels do is not counted: of those that compute exponentials it is most.
func leastTime(bytes, flops int) func() float64 {
	buf := streamed()[:bytes]
	return func() float64 {
		const rounds = 1000
		reading, flop := math.Inf(1), math.Inf(1)
		for range limitPasses { // the fastest: an interrupted thread shows no limit
			reading = min(reading, perCall(50*time.Microsecond, func() { active.read(buf) }))
			flop = min(flop, perCall(50*time.Microsecond, func() { active.fma(rounds) })/float64(rounds*active.fmaFlops))
		}
		return max(reading, flop*float64(flops))
	}
}

// perCall is the time of a call, of as many as take so long.
func perCall(least time.Duration, f func()) float64 {
	start, calls := time.Now(), 0
	for ; time.Since(start) < least; calls++ {
		f()
	}
	return time.Since(start).Seconds() / float64(calls)
}

// inCache reports bytes of float32 per second, the fraction of the limit that the least
// time sets, which is measured before and after, and the ratio to portable Go.
func inCache(b *testing.B, bytes int, least func() float64, f func()) {
	before := least()
	for b.Loop() {
		f()
	}
	each := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric((before+least())/2/each, "of-limit")
	b.ReportMetric(float64(bytes)/each/1e9, "GB/s")
	old := active
	active = &portable
	defer func() { active = old }()
	b.ReportMetric(perCall(20*time.Millisecond, f)/each, "x-portable")
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
			inOrder, streams := ReadBandwidth(benchPool())
			b.ReportMetric(inOrder/1e9, "GB/s")
			b.ReportMetric(streams/1e9, "GB/s-in-streams")
		}
	})
	b.Run("F32Peak", func(b *testing.B) {
		for range b.N {
			b.ReportMetric(F32Peak(benchPool())/1e9, "Gflop/s")
		}
	})
}
