package poolsim

import "math"

// Service says how long an expert node computes.
type Service struct {
	// ReadSeconds to read one expert of one layer from memory.
	ReadSeconds float64
	// RowSeconds to compute one row of one expert.
	RowSeconds float64
	// Rows is the number of tokens in a frame: a router's step, at half of its default
	// limits: 32 sequences, and four prompt tokens for each generated one beside them.
	Rows int
}

// DefaultService is a node of 8 cores for OLMoE-1B-7B in bf16: 12.6 MB an expert
// at 25 GB/s, and 12.6 MFLOP a row at the 25.5 GFLOP/s of each core that ADR 0083
// measured (0.247 ms a row on two cores).
func DefaultService() Service {
	return Service{ReadSeconds: ExpertBytes / 25e9, RowSeconds: 0.247e-3 * 2 / 8, Rows: 160}
}

// Int8Service is the same node with 8-bit weights: 8.5 bits a weight (ADR 0092), and
// 12.6 million operations a row at 0.4 of the 190 Gop/s of each core, as ADR 0101
// measured.
func Int8Service() Service {
	return Service{ReadSeconds: ExpertBytes * 8.5 / 16 / 25e9, RowSeconds: 12.6e6 / (0.4 * 190e9) / 8, Rows: 160}
}

// ExpertBytes is one expert of one layer: 3 x 2048 x 1024 weights of 2 bytes.
const ExpertBytes = 3 * 2048 * 1024 * 2

// activation is what one frame asks of one expert that a token chooses with
// probability p: it is not chosen at all, or its weights are read once, or its
// rows take longer to compute than the weights to read (the roofline).
type activation struct {
	chosen float64 // probability that any row of the frame chooses it
	mean   float64 // seconds of work, including frames that do not choose it
	square float64 // mean square of the same
	rows   float64 // seconds of arithmetic alone: what is left when reads are shared
}

// activate sums over the binomial distribution of the rows.
func (s Service) activate(p float64) activation {
	a := activation{chosen: 1 - math.Pow(1-p, float64(s.Rows)), rows: float64(s.Rows) * p * s.RowSeconds}
	mass := math.Pow(1-p, float64(s.Rows)) // of 0 rows
	for k := 1; k <= s.Rows; k++ {
		if p < 1 {
			mass *= float64(s.Rows-k+1) / float64(k) * p / (1 - p)
		} else if k == s.Rows {
			mass = 1
		}
		work := max(s.ReadSeconds, float64(k)*s.RowSeconds)
		a.mean += mass * work
		a.square += mass * work * work
	}
	return a
}
