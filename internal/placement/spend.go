package placement

// spend chooses each layer's state: again and again the change, of all layers,
// that lowers a busiest node's load most for each expert to load, as a fraction
// of the layer's mean node load, as long as that is at least minGain and no more
// than maxMoves experts have to be loaded (0: no limit).
func spend(drafts []*draft, minGain float64, maxMoves int) {
	left := maxMoves
	for {
		var best *draft
		var to option
		rate := 0.0
		for _, d := range drafts {
			for _, o := range d.options {
				loads := o.loads - d.chosen.loads
				if maxMoves > 0 && loads > left {
					continue
				}
				if got := d.rate(o, minGain); got > rate {
					best, to, rate = d, o, got
				}
			}
		}
		if best == nil {
			return
		}
		left -= to.loads - best.chosen.loads
		best.chosen = to
	}
}

// rate is the gain per load of going from the chosen state to another; 0 if that
// gains nothing or too little.
func (d *draft) rate(o option, minGain float64) float64 {
	loads := float64(o.loads - d.chosen.loads)
	gain := (d.chosen.worst - o.worst) / d.mean
	if o.steps < 0 {
		minGain = max(minGain, freshGain)
	}
	if gain <= leastGain || gain < minGain*loads {
		return 0
	}
	return gain / max(loads, freeStep)
}
