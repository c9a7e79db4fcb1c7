package poolsim

// curve is what a station does at any load, solved where it is first asked for:
// the same loads come again all day.
type curve struct {
	station station
	states  [curvePoints + 1]state
	solved  [curvePoints + 1]bool
}

// A curve ends at twice of what a node could do if it read every expert anew, and
// is straight between points.
const (
	curvePoints = 160
	curveEnd    = 2.0
)

// at is the state when load seconds of work come in a second.
func (c *curve) at(load float64) state {
	x := min(max(load, 0), curveEnd) / curveEnd * curvePoints
	i := min(int(x), curvePoints-1)
	a, b, f := c.point(i), c.point(i+1), x-float64(i)
	return state{a.busy + f*(b.busy-a.busy), a.queue + f*(b.queue-a.queue), a.response + f*(b.response-a.response)}
}

func (c *curve) point(i int) *state {
	if !c.solved[i] {
		c.states[i] = c.station.at(float64(i) * curveEnd / curvePoints / max(c.station.work, minFrames))
		c.solved[i] = true
	}
	return &c.states[i]
}
