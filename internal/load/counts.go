package load

import "time"

// Matrix is one number for each layer and expert: m[layer][expert].
type Matrix [][]uint64

// Counts is what a node did, since its start or in a window. Times are in
// nanoseconds.
type Counts struct {
	Rows        Matrix `json:"rows"`        // token rows that the expert computed
	Activations Matrix `json:"activations"` // batches in which it had rows: its weights were read once in each
	BusyNs      Matrix `json:"busy_ns"`     // its share of the batches' time, by the cost model of shares
	QueueNs     Matrix `json:"queue_ns"`    // over its rows, how long each row's request waited

	Tokens         []uint64 `json:"tokens"`           // [layer]: token rows received; a row is sent once to each node it needs
	Requests       []uint64 `json:"requests"`         // [layer]
	RequestQueueNs []uint64 `json:"request_queue_ns"` // [layer]: over requests, how long each waited

	all []uint64 // the memory of all the above, so that a copy or a difference is one loop
}

// NewCounts makes counts of zero.
func NewCounts(layers, experts int) *Counts {
	c := &Counts{all: make([]uint64, size(layers, experts))}
	rest := c.all
	take := func(n int) (list []uint64) {
		list, rest = rest[:n:n], rest[n:]
		return list
	}
	for _, m := range []*Matrix{&c.Rows, &c.Activations, &c.BusyNs, &c.QueueNs} {
		*m = make(Matrix, layers)
		for l := range *m {
			(*m)[l] = take(experts)
		}
	}
	for _, list := range []*[]uint64{&c.Tokens, &c.Requests, &c.RequestQueueNs} {
		*list = take(layers)
	}
	return c
}

// size is how many numbers Counts has.
func size(layers, experts int) int { return 4*layers*experts + 3*layers }

// Words is how much memory Counts take, in words of 8 bytes: numbers, and where lists begin
// and end.
func Words(layers, experts int) int { return size(layers, experts) + 4*3*layers }

// copyFrom makes c equal to from, which has the same shape. Both are NewCounts'.
func (c *Counts) copyFrom(from *Counts) { copy(c.all, from.all) }

// subtract takes an earlier state of the same counters from c. A counter that
// has wrapped around still gives the right difference.
func (c *Counts) subtract(earlier *Counts) {
	for i := range c.all {
		c.all[i] -= earlier.all[i]
	}
}

// Layers is the number of layers.
func (c *Counts) Layers() int { return len(c.Rows) }

// Experts is the number of experts in each layer.
func (c *Counts) Experts() int {
	if len(c.Rows) == 0 {
		return 0
	}
	return len(c.Rows[0])
}

// Busy is the time in batches, over all layers and experts.
func (c *Counts) Busy() time.Duration {
	var ns uint64
	for _, layer := range c.BusyNs {
		ns += Total(layer)
	}
	return time.Duration(ns)
}

// MeanQueue is how long a request waited on average; 0 if there was none.
func (c *Counts) MeanQueue() time.Duration {
	n := Total(c.Requests)
	if n == 0 {
		return 0
	}
	return time.Duration(Total(c.RequestQueueNs) / n)
}

// Total adds up, from first to last.
func Total[T uint64 | float64](list []T) (n T) {
	for _, v := range list {
		n += v
	}
	return n
}
