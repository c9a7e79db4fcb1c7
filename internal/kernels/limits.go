package kernels

import "time"

const (
	// readBuffer is far larger than what a program gets to itself of any cache.
	readBuffer = 256 << 20
	// readChunk is what a worker reads at once.
	readChunk = 1 << 20
	// limitPasses is how often a limit is measured; the best pass counts, since
	// whatever else runs on the machine only ever slows one down.
	limitPasses = 8
	// peakTask is the least time of one task of a peak, long against the cost
	// of starting it.
	peakTask = time.Millisecond
	// peakTasks per worker, so that an interrupted worker does not hold up all.
	peakTasks = 8
)

// ReadBandwidth measures the bytes per second that the pool reads from memory, out of
// cache, in order: the limit of everything that touches each weight once. It takes about
// a quarter of a second and 256 MiB for that time. streams is what it reads from several
// places at once with requests ahead, which on some machines is more.
func ReadBandwidth(p *Pool) (inOrder, streams float64) { return readBandwidth(p, readBuffer) }

func readBandwidth(p *Pool, size int) (inOrder, streams float64) {
	buf := make([]byte, size)
	for i := 0; i < len(buf); i += 4096 {
		buf[i] = 1 // an untouched page is the one shared page of zeros
	}
	rate := func(read func([]byte)) float64 {
		return best(float64(len(buf)), func() {
			p.Run(len(buf)/readChunk, func(i int) { read(buf[i*readChunk:][:readChunk]) })
		})
	}
	return rate(active.read), rate(active.readStreams)
}

// F32Peak measures the float32 operations per second of multiply-adds (two
// each) in registers: the limit of products with many rows. It takes about a
// tenth of a second.
func F32Peak(p *Pool) float64 { return peak(p, active.fma, active.fmaFlops) }

// Int8Peak measures the operations per second of multiply-adds (two each) of
// 8-bit integers into 32-bit sums, in registers.
func Int8Peak(p *Pool) float64 { return peak(p, active.int8, active.int8Ops) }

// peak is the best rate of a loop that does so many operations a round.
func peak(p *Pool, loop func(rounds int), ops int) float64 {
	rounds := peakRounds(loop)
	tasks := peakTasks * p.Workers()
	return best(float64(tasks*rounds*ops), func() {
		p.Run(tasks, func(int) { loop(rounds) })
	})
}

// peakRounds is a number of rounds that takes at least peakTask.
func peakRounds(loop func(rounds int)) int {
	for rounds := 1000; ; rounds *= 2 {
		start := time.Now()
		loop(rounds)
		if time.Since(start) >= peakTask {
			return rounds
		}
	}
}

// best returns work per second in the fastest of several passes.
func best(work float64, pass func()) float64 {
	fastest := time.Duration(1<<63 - 1)
	for range limitPasses {
		start := time.Now()
		pass()
		fastest = min(fastest, time.Since(start))
	}
	return work / fastest.Seconds()
}
