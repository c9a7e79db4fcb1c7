package simulation

// Worlds with tides bring about what chance does not: an autoscaled pool that turns, an
// operator that starts anew, and load that would turn the pool again. Whatever must outlive
// an operator, so that a pool does not go to and fro, is needed there (rule 6 of package
// autoscale). Nothing else disturbs the windows of minutes that the autoscaler waits.

const (
	flood = 3.0 // utilisation of all nodes together: more nodes than there are
	ebb   = 0.2 // one node would do
	// tideSpeed: the time of a thousand steps, ten minutes elsewhere, is that of two turns.
	tideSpeed = 3
)

// turnTide comes after each round of the operator. A step out ends the flood; a step in begins
// it, and another operator, which knows what the status tells, sees it.
func (w *world) turnTide() {
	switch {
	case !w.tides || w.still:
	case w.busy == 0:
		w.shift()
		w.busy = flood
	case len(w.steps) > w.tide:
		w.tide = len(w.steps)
		if w.busy = ebb; w.steps[w.tide-1].by < 0 {
			w.busy = flood
			w.newOperator()
		}
		w.note("the tide turns; busy %.1f", w.busy)
	}
}
