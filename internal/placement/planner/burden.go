package planner

import (
	"math"
	"math/bits"
)

// burden says, of the nodes with a copy of an expert, what load the busiest, the
// next and the lightest of them have.
type burden struct {
	busiest           int
	most, next, least float64
	share             float64 // what the others get each when one gives its copy up; infinite if none may
}

// survey brings burdens up to date, of those experts that are stale, and leastShare.
func (s *search) survey() {
	gone := false
	for k, word := range s.stale {
		for ; word != 0; word &= word - 1 {
			if e := k<<6 + bits.TrailingZeros64(word); e < s.experts {
				was, is := s.burdens[e].share, s.burdenOf(e)
				s.burdens[e] = is
				gone = gone || was == s.leastShare && is.share > was
				s.leastShare = min(s.leastShare, is.share)
				s.tries--
			}
		}
		s.stale[k] = 0
	}
	if gone {
		s.leastShare = math.Inf(1)
		for e := range s.burdens {
			s.leastShare = min(s.leastShare, s.burdens[e].share)
		}
	}
}

func (s *search) burdenOf(e int) burden {
	b := burden{busiest: -1, least: math.Inf(1), share: math.Inf(1)}
	if c := s.copies[e]; c > s.replicas {
		b.share = s.each[e] / float64(c-1)
	}
	for k, word := range s.owners(e) {
		for ; word != 0; word &= word - 1 {
			i := k<<6 + bits.TrailingZeros64(word)
			load := s.load[i]
			b.least = min(b.least, load)
			if load > b.most {
				b.busiest, b.most, b.next = i, load, b.most
			} else {
				b.next = max(b.next, load)
			}
		}
	}
	return b
}

// without is the most load of the holders but node i.
func (b *burden) without(i int) float64 {
	if b.busiest == i {
		return b.next
	}
	return b.most
}
