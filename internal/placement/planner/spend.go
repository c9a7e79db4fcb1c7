package planner

import "math"

// spend chooses each layer's state: again and again the change, of all layers,
// that lowers a busiest node's load most for each expert to load, as a fraction
// of the layer's mean node load, as long as that is at least minGain and no more
// than maxMoves experts have to be loaded.
func spend(drafts []draft, minGain float64, maxMoves int) {
	left, gained := maxMoves, true
	bids := make([]bid, len(drafts))
	for {
		best := 0
		for l := range drafts {
			if b := &bids[l]; gained || b.loads > left {
				*b = drafts[l].best(minGain, left)
			}
			if bids[l].rate > bids[best].rate {
				best = l
			}
		}
		b := bids[best]
		if b.rate == 0 {
			return
		}
		drafts[best].chosen = b.to
		left, gained = left-b.loads, b.loads < 0
		bids[best] = drafts[best].best(minGain, left)
	}
}

// bid is the best that a layer can do with what is left: 0 if nothing.
type bid struct {
	to    option
	loads int // more than what is chosen
	rate  float64
}

func (d *draft) best(minGain float64, left int) (best bid) {
	for _, o := range d.options {
		if loads := o.loads - d.chosen.loads; loads <= left {
			if got := d.rate(o, minGain); got > best.rate {
				best = bid{o, loads, got}
			}
		}
	}
	return best
}

// choose is spend for one layer, without a limit.
func (d *draft) choose(minGain float64) {
	for b := d.best(minGain, math.MaxInt); b.rate > 0; b = d.best(minGain, math.MaxInt) {
		d.chosen = b.to
	}
}

// rate is the gain per load of going from the chosen state to another; 0 if that
// gains nothing or too little.
func (d *draft) rate(o option, minGain float64) float64 {
	loads := float64(o.loads - d.chosen.loads)
	gain := (d.chosen.worst - o.worst) / d.mean
	least := max(leastGain, minGain*loads)
	if o.steps < 0 {
		least = max(least, freshGain*max(loads, float64(d.half)))
	}
	if gain <= leastGain || gain < least {
		return 0
	}
	return gain / max(loads, freeStep)
}
