package poolsim

// Times are how long a pool takes to change.
type Times struct {
	// Start of a pod until its program runs: scheduled, image on the machine (s).
	Start float64
	// LoadBytesPerSecond at which a node reads its weights.
	LoadBytesPerSecond float64
	// Switch is what routers take to go over to a placement, and Drain what a
	// leaving node takes until it is gone (s).
	Switch, Drain float64
}

// DefaultTimes: a machine is there (no virtual machine is started for the pod),
// its local disk reads 1 GB/s.
func DefaultTimes() Times { return Times{Start: 6, LoadBytesPerSecond: 1e9, Switch: 1, Drain: 5} }

// load is what a node takes to read its experts, and routers to send it rows.
func (t Times) load(slots int) float64 {
	return float64(slots*Layers*ExpertBytes)/t.LoadBytesPerSecond + t.Switch
}

// start is from the wish for a node until it serves.
func (t Times) start(slots int) float64 { return t.Start + t.load(slots) }

// pool is the nodes of a day.
type pool struct {
	wanted   int
	exist    int // pods, those that start and leave included: what is paid for
	serving  int // nodes of the placement in force
	planned  int // the mix that placement was made for
	changing bool
	busy     bool // a rebalance is under way
}

// scale begins a step to what is wanted, if none is under way. Nodes start or
// leave together: a policy that wants one at a time asks for one at a time.
func (d *day) scale() {
	p := &d.pool
	if p.changing || p.wanted == p.serving {
		return
	}
	p.changing = true
	to := p.wanted
	load := d.times.load(d.plans.slots)
	if to > p.serving {
		p.exist = to
		d.events.after(d.now, d.times.start(d.plans.slots), func() { d.serve(to); p.changing = false })
		return
	}
	d.events.after(d.now, load, func() {
		d.serve(to)
		d.events.after(d.now, d.times.Drain, func() { p.exist, p.changing = to, false })
	})
}

// serve puts a placement on so many nodes into force.
func (d *day) serve(nodes int) {
	mix := even
	if d.balance > 0 {
		mix = d.mix()
	}
	d.install(nodes, mix)
}

// rebalance plans anew when the text has changed, balanceShare of a window later. It
// loads what it needs while the old placement serves.
func (d *day) rebalance() {
	p := &d.pool
	if d.balance == 0 || p.changing || p.busy || p.planned == d.mix() {
		return
	}
	p.busy = true
	mix := d.mix()
	wait := balanceShare*d.balance.Seconds() + d.times.load(d.plans.slots)
	d.events.after(d.now, wait, func() {
		p.busy = false
		if !p.changing {
			d.install(p.serving, mix)
		}
	})
}

// balanceShare is how much of its window the balancer lets pass after a change of
// traffic before it moves experts (ADR 0096: half to three quarters).
const balanceShare = 0.75
