package pool

import "time"

const (
	// stallTime: a node that was given up and answers again so soon had stalled. Its
	// experts were loaded elsewhere in vain.
	stallTime = 15 * time.Second
	// stallsFade: after so long without another stall a node is as good as new.
	stallsFade = 10 * time.Minute
	// mostStalls doublings take any patience beyond restoreAfterSeconds.
	mostStalls = 12
)

// stalls is how often nodes were given up in vain, by name, so that a machine that
// stops for a second now and then does not make its experts travel each time. It is
// lost with the operator, as memory is.
type stalls map[string]*stall

type stall struct {
	times int
	gone  bool      // given up, and not back
	since time.Time // when it was given up, or came back
}

// of a node: how many of late.
func (s stalls) of(name string) int {
	if s[name] == nil {
		return 0
	}
	return s[name].times
}

// note remembers which nodes are given up in this round, and which are back.
func (s stalls) note(l losses) {
	for name := range l.silent {
		if !l.lost(name) || s[name] != nil && s[name].gone {
			continue
		}
		s[name] = &stall{times: s.of(name), gone: true, since: l.now}
	}
	for name, one := range s {
		if one.gone && l.pods.report(name) != nil {
			if l.now.Sub(one.since) < stallTime {
				one.times = min(one.times+1, mostStalls)
			}
			one.gone, one.since = false, l.now
		}
		if l.now.Sub(one.since) > stallsFade {
			delete(s, name)
		}
	}
}
