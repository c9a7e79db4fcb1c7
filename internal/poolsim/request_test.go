package poolsim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// job is a frame at one node: rows for some of the node's experts of a layer.
type job struct {
	at    float64
	layer int
	rows  map[int]int // by expert
}

// framesOf draws every frame of so many seconds as the first node sees it: each
// token chooses experts by their probabilities, each expert's rows go to one of its
// copies.
func framesOf(r *rand.Rand, text Text, p *plan, s Service, rate, seconds float64) (jobs []job) {
	for l := range Layers {
		copies := make([]int, Experts)
		for i := range p.nodes() {
			for _, e := range p.list(i, l) {
				copies[e]++
			}
		}
		for at := r.ExpFloat64() / rate; at < seconds; at += r.ExpFloat64() / rate {
			mine := job{at, l, map[int]int{}}
			for _, e := range p.list(0, l) {
				if rows := binomial(r, s.Rows, text[l][e]); rows > 0 && r.IntN(copies[e]) == 0 {
					mine.rows[int(e)] = rows
				}
			}
			if len(mine.rows) > 0 {
				jobs = append(jobs, mine)
			}
		}
	}
	slices.SortFunc(jobs, func(a, b job) int { return cmp.Compare(a.at, b.at) })
	return jobs
}

// binomial jumps from one success to the next.
func binomial(r *rand.Rand, n int, p float64) (hits int) {
	if p >= 1 {
		return n
	}
	for at := 0; ; hits++ {
		at += 1 + int(math.Log(1-r.Float64())/math.Log1p(-p))
		if at > n {
			return hits
		}
	}
}

// serveOneByOne is an expert node: whatever waits is one batch, in which each
// expert's weights are read once (ADR 0044).
func serveOneByOne(jobs []job, s Service, seconds float64) state {
	var out state
	free, i := 0.0, 0
	for i < len(jobs) {
		begin := max(free, jobs[i].at)
		rows := map[[2]int]int{}
		first := i
		for ; i < len(jobs) && jobs[i].at <= begin; i++ {
			for e, n := range jobs[i].rows {
				rows[[2]int{jobs[i].layer, e}] += n
			}
		}
		work := 0.0
		for _, n := range rows {
			work += max(s.ReadSeconds, float64(n)*s.RowSeconds)
		}
		free = begin + work
		out.busy += work / seconds
		for _, j := range jobs[first:i] {
			out.queue += (begin - j.at) / float64(len(jobs))
			out.response += (free - j.at) / float64(len(jobs))
		}
	}
	return out
}

// TestFormulaAgainstRequests: what queue.go computes is what happens to requests
// one by one, from a quiet pool to one that has more to do than it could without
// sharing reads.
func TestFormulaAgainstRequests(t *testing.T) {
	text := ZipfTexts(1, 3)
	cases := []struct {
		nodes, slots, rows int
		load               float64
	}{{16, 4, 160, .3}, {16, 4, 160, .7}, {64, 2, 160, .6}, {64, 2, 32, .8}, {64, 2, 32, 1.2}}
	for _, c := range cases {
		s := DefaultService()
		s.Rows = c.rows
		all := newPlans(s, text, c.slots)
		p, err := all.get(c.nodes, even)
		if err != nil {
			t.Fatal(err)
		}
		node := all.under(p, 0).nodes[0]
		rate := c.load / node.work
		const seconds = 60
		jobs := framesOf(rand.New(rand.NewPCG(1, 1)), text[0], p, s, rate, seconds)
		got, want := node.at(rate), serveOneByOne(jobs, s, seconds)
		t.Logf("%+v: busy %.2f (single requests %.2f), queue %.2f ms (%.2f), response %.2f ms (%.2f)", c,
			got.busy, want.busy, 1e3*got.queue, 1e3*want.queue, 1e3*got.response, 1e3*want.response)
		if off(got.busy, want.busy) > .05 || off(got.queue, want.queue) > .2 || off(got.response, want.response) > .15 {
			t.Errorf("%+v: %+v, single requests %+v: off by more than 5 %% (busy), 20 %% (queue) or 15 %% (response)", c, got, want)
		}
	}
}

func off(got, want float64) float64 { return math.Abs(got-want) / want }
