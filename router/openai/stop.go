package openai

import "strings"

// stopMatcher looks for stop strings in a text that comes in pieces. The
// earliest to be complete wins, then the longest; so the result does not
// depend on where the pieces are cut.
type stopMatcher struct {
	stops   []string
	include bool // keep the matched stop string in the text
	// held is text that may still become a stop string. Invariant: it is a proper
	// prefix of one (or empty), so nothing of a stop string is ever given out.
	held string
}

// push adds text and returns what is now certain. If a stop string is
// complete, stop is it and out ends before it (after it with include).
func (m *stopMatcher) push(text string) (out, stop string) {
	m.held += text
	from, to := -1, len(m.held)+1
	for _, s := range m.stops {
		at := strings.Index(m.held, s)
		if at < 0 || at+len(s) > to || at+len(s) == to && at >= from {
			continue
		}
		from, to, stop = at, at+len(s), s
	}
	if stop != "" {
		if m.include {
			from = to
		}
		out, m.held = m.held[:from], ""
		return out, stop
	}
	keep := m.possible()
	out, m.held = m.held[:len(m.held)-keep], m.held[len(m.held)-keep:]
	return out, ""
}

// possible is the length of the longest end of held that begins a stop string.
func (m *stopMatcher) possible() int {
	longest := 0
	for _, s := range m.stops {
		for n := min(len(s)-1, len(m.held)); n > longest; n-- {
			if strings.HasSuffix(m.held, s[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// flush ends the text: what was held back is not a stop string after all.
func (m *stopMatcher) flush() string {
	out := m.held
	m.held = ""
	return out
}
