package expertnode

import (
	"sync"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

const (
	// maxQueuedRows bounds the memory of waiting requests: 128 MiB at hidden
	// 2048. Routers wait for their answers, so more means overload.
	maxQueuedRows = 16384
	// maxBatchPairs bounds what one batch computes, so that its memory (three
	// matrices of so many rows) and the wait of the next request stay bounded; a
	// single larger request is computed whole.
	maxBatchPairs = 2048
)

// job is a request that waits or is computed.
type job struct {
	in              *wire.In // header, and rows not read yet
	stream          *stream
	arrived         time.Time
	counts, experts []uint16
	places          []int32       // of each pair, its row in the batch
	waited          time.Duration // in the queue, once its batch has begun
	own             time.Duration // of it, so long rows of the same router were computed
}

var jobPool = sync.Pool{New: func() any { return new(job) }}

// newJob reads the lists of a request.
func newJob(in *wire.In, s *stream, perLayer int) (*job, error) {
	j := jobPool.Get().(*job)
	j.in, j.stream, j.arrived, j.own = in, s, time.Now(), 0
	j.counts, j.experts = resize(j.counts, in.Rows), resize(j.experts, in.Pairs)
	if err := in.Experts(j.counts, j.experts, perLayer); err != nil {
		j.recycle()
		return nil, err
	}
	return j, nil
}

// recycle frees the request's rows and the job.
func (j *job) recycle() {
	j.in.Recycle()
	j.in, j.stream = nil, nil
	jobPool.Put(j)
}

// queued is how long the request waited for others. A router sends the second half
// of a step while the first one is computed; behind that it does not queue (ADR 0120).
func (j *job) queued() time.Duration { return j.waited - j.own }

// resize makes s have n elements of any value, in its own memory if that is enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// queue holds requests in order of arrival, over all streams.
type queue struct {
	mu   sync.Mutex
	jobs []*job
	rows int
	wake chan struct{} // holds a token when jobs may be waiting
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put appends a job; false if the queue is full.
func (q *queue) put(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) > 0 && q.rows+j.in.Rows > maxQueuedRows {
		return false
	}
	q.jobs = append(q.jobs, j)
	q.rows += j.in.Rows
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take moves the oldest jobs to dst: all that are waiting, up to maxBatchPairs.
func (q *queue) take(dst []*job) []*job {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, pairs := 0, 0
	for n < len(q.jobs) && (n == 0 || pairs+q.jobs[n].in.Pairs <= maxBatchPairs) {
		pairs += q.jobs[n].in.Pairs
		q.rows -= q.jobs[n].in.Rows
		n++
	}
	dst = append(dst, q.jobs[:n]...)
	rest := copy(q.jobs, q.jobs[n:])
	clear(q.jobs[rest:])
	q.jobs = q.jobs[:rest]
	return dst
}

// credit adds to each waiting request the share of the batch's time, since the request
// arrived, that the batch spent on pairs of the same router.
func (q *queue) credit(own map[string]int, pairs int, start, end time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range q.jobs {
		since := start
		if j.arrived.After(start) {
			since = j.arrived
		}
		if wait := end.Sub(since); wait > 0 {
			j.own += wait * time.Duration(own[j.stream.router]) / time.Duration(pairs)
		}
	}
}

// waiting is the number of rows in the queue.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rows
}
