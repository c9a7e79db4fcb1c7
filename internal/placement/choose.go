package placement

// Choose picks the placement that a router's new calls use: Serving, until every
// expert of Target has a ready owner; from then on Target, also if an owner is
// lost again, because nodes may soon drop what only Serving needs. current is the
// epoch that the router uses, 0 if none. The document must have one of the two.
func (d *Document) Choose(current int64, targetComplete bool) *Placement {
	switch {
	case d.Target == nil:
		return d.Serving
	case d.Serving == nil, targetComplete, current == d.Target.Epoch:
		return d.Target
	}
	return d.Serving
}
