package placement

import "fmt"

// Cost says what makes work for a node. The zero value counts tokens.
//
// A node computes a layer's batch in about
//
//	sum over its experts of  Token * rows  +  Activation * (1 if rows > 0)
//
// seconds: Token is the time of one row's arithmetic, Activation that of reading
// an expert's weights once. On large batches arithmetic counts (compute-bound:
// Cost{Token: 1}), on small ones reading does (memory-bound: Cost{Activation: 1});
// in between both have their measured values. Only their ratio matters.
//
// An expert's cost divides evenly over its copies. That is exact for tokens where
// the router evens them out. It is for activations because the router keeps the
// rows that an expert has in a batch together: one copy reads its weights, the
// others do not. A router that split such rows would make each copy read them,
// and then copies would not relieve a memory-bound node at all.
type Cost struct {
	Token, Activation float64
}

// Costs is what Plan balances: for each layer and expert what all its copies cost
// together, Cost.Token * Loads + Cost.Activation * Activations. Balancedness, Bound
// and BusiestLoads take it as loads. Nil if the request has neither loads nor activations.
func (r *Request) Costs() [][]float64 {
	c := r.Cost
	if c.Activation == 0 && (c.Token == 0 || c.Token == 1) {
		return r.Loads
	}
	out := make([][]float64, r.Layers)
	for l := range out {
		out[l] = make([]float64, r.Experts)
		for e := range out[l] {
			if c.Token > 0 {
				out[l][e] += c.Token * r.Loads[l][e]
			}
			if c.Activation > 0 {
				out[l][e] += c.Activation * r.Activations[l][e]
			}
		}
	}
	return out
}

// check refuses costs without the measure that they count.
func (c Cost) check(r *Request) error {
	switch {
	case !(c.Token >= 0 && c.Token <= maxLoad) || !(c.Activation >= 0 && c.Activation <= maxLoad):
		return fmt.Errorf("cost of a token %v or of an activation %v is not between 0 and %g", c.Token, c.Activation, float64(maxLoad))
	case c.Token > 0 && r.Loads == nil:
		return fmt.Errorf("tokens cost %v each, but loads are not given", c.Token)
	case c.Activation > 0 && r.Activations == nil:
		return fmt.Errorf("activations cost %v each, but activations are not given", c.Activation)
	}
	return nil
}
