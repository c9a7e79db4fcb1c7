package kernels

// pass is one of those in which the rows of a product go over the same weights. Together
// they request the weights that follow, so that memory is read while the CPU
// multiplies (docs/adr/0160).
type pass struct {
	i, of   int
	request bool // false where so few passes leave memory no time to spare
}

// next is where the pass begins to request, and how many bytes it goes on with each of
// its groups; w begins with the weights at hand, so many bytes.
func (p pass) next(w []byte, atHand, groups int) (first *byte, step uintptr) {
	follow := w[atHand:min(2*atHand, len(w))]
	if !p.request || len(follow) == 0 {
		return &w[0], 0
	}
	from, to := part(len(follow), p.of, p.i)
	return &follow[from], uintptr((to - from) / groups)
}
