package poolsim

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/placement/planner"
)

// Config is what a day is played with.
type Config struct {
	Trace *Trace
	// Peak is the size of the pool: at the trace's regular peak, so many perfectly
	// balanced nodes would be PeakUtilization busy.
	Peak int
	// SlotsPerNode and layer.
	SlotsPerNode int
	Service      Service
	Times        Times
	// Bound is the response of the busiest node that users accept (s).
	Bound float64
	Seed  uint64
}

// PeakUtilization is what Config.Peak is measured by.
const PeakUtilization = 0.7

// Result is what a day came to.
type Result struct {
	NodeHours float64
	// Late is the part of all tokens that came while the busiest node answered
	// later than the bound.
	Late float64
	// P99 of the busiest node's response over all tokens (s).
	P99 float64
	// Steps is how often the number of nodes changed, and Most the largest number.
	Steps, Most int
	// Nodes and Response (s) of each slot, for plots.
	Nodes    []int
	Response []float64
}

// day is a day under way.
type day struct {
	config  Config
	plans   *plans
	times   Times
	balance time.Duration // the balancer's window; 0: there is no balancer
	events  events
	r       *rand.Rand

	now     float64 // s
	slot    int
	rate    float64 // frames a second and layer, at a demand of 1
	pool    pool
	plan    *plan
	current *placement.Placement // of plan; made when asked for
	spread  *spread
	window  window
	failed  error
}

// Simulator plays days of one trace; plans are shared between them.
type Simulator struct {
	config Config
	plans  *plans
	played map[string]*Result // of candidates, without what is for plots
}

// New checks the configuration.
func New(c Config) (*Simulator, error) {
	switch {
	case c.Trace == nil || len(c.Trace.Demand) == 0:
		return nil, fmt.Errorf("poolsim: no trace")
	case c.Peak < 1 || c.SlotsPerNode < 1 || c.SlotsPerNode > Experts:
		return nil, fmt.Errorf("poolsim: %d nodes with %d slots: both must be at least 1, slots at most %d", c.Peak, c.SlotsPerNode, Experts)
	}
	return &Simulator{c, newPlans(c.Service, c.Trace.Mixes, c.SlotsPerNode), map[string]*Result{}}, nil
}

// Share takes another day's plans for those of this one where they are the same: both
// days must be played one after the other from then on.
func (s *Simulator) Share(o *Simulator) {
	if s.config.Service == o.config.Service && s.config.SlotsPerNode == o.config.SlotsPerNode && reflect.DeepEqual(s.config.Trace.Mixes, o.config.Trace.Mixes) {
		s.plans = o.plans
	}
}

// MinNodes is the fewest nodes that hold all experts.
func (s *Simulator) MinNodes() int { return s.plans.minNodes() }

// Run plays the day. With a balancer, which looks at the loads in a window of its
// own, plans are made by load, at every step and when the text changes; with a
// window of 0 plans count all experts alike.
func (s *Simulator) Run(p Policy, balance time.Duration) (*Result, error) {
	d := &day{config: s.config, plans: s.plans, times: s.config.Times, balance: balance, r: seeded(s.config.Seed, 1)}
	d.rate = s.rate()
	first := max(s.MinNodes(), int(startFactor*float64(s.config.Peak)*s.config.Trace.Demand[0]))
	if fixed, ok := p.(Static); ok {
		first = int(fixed)
	}
	d.pool = pool{wanted: first, exist: first}
	d.serve(first)
	return d.play(p)
}

// startFactor times what perfectly balanced nodes would need is what a day begins
// with, whatever the policy.
const startFactor = 1.5

// rate of frames, a second and layer, at a demand of 1.
func (s *Simulator) rate() float64 {
	return PeakUtilization * float64(s.config.Peak) / s.totalWork()
}

// totalWork of a frame in all layers, the mean of the day.
func (s *Simulator) totalWork() float64 {
	work := make([]float64, len(s.plans.work))
	for m, layers := range s.plans.work {
		for _, row := range layers {
			for _, a := range row {
				work[m] += a.mean
			}
		}
	}
	var sum float64
	for _, m := range s.config.Trace.Mix {
		sum += work[m]
	}
	return sum / float64(len(s.config.Trace.Mix))
}

func (d *day) play(p Policy) (*Result, error) {
	var m meter
	for d.slot = range d.config.Trace.Demand {
		d.now = float64(d.slot) * Slot
		d.events.until(d.now)
		d.rebalance()
		if d.failed != nil {
			return nil, d.failed
		}
		m.add(d, d.measure())
		o := &Observation{Wanted: d.pool.wanted, Changing: d.pool.changing, Nodes: d.window.nodes, Waiting: d.window.waiting, day: d}
		d.pool.wanted = max(p.Want(time.Duration(d.now*float64(time.Second)), o), d.plans.minNodes())
		d.scale()
	}
	return m.result(d.config.Bound), nil
}

func (d *day) mix() int { return d.config.Trace.Mix[d.slot] }

// install puts a plan into force.
func (d *day) install(nodes, mix int) {
	p, err := d.plans.get(nodes, mix)
	if err != nil {
		d.failed = err
		return
	}
	d.plan, d.current = p, nil
	d.pool.serving, d.pool.planned = nodes, mix
	d.window.resize(nodes)
}

// request is what the autoscaler's simulation is made from.
func (d *day) request(nodes, mix int) planner.Request {
	r := planner.Request{Layers: Layers, Experts: Experts, Replicas: 1, SlotsPerNode: d.plans.slots,
		Loads: d.plans.loads[mix], Nodes: names(nodes)}
	if d.current == nil {
		d.current = d.plan.placement()
	}
	r.Current = d.current
	return r
}

// planned is planner.Plan through what was kept. Plans are made from nothing,
// not from the current placement, so that they can be kept; that costs moves,
// which are not counted here, and no balance.
func (c *plans) planned(mix int) func(planner.Request) (*placement.Placement, error) {
	return func(r planner.Request) (*placement.Placement, error) {
		p, err := c.get(len(r.Nodes), mix)
		if err != nil {
			return nil, err
		}
		return p.placement(), nil
	}
}
