package bench

// What the project asks of itself: with the full-size model, a router and two expert nodes
// on one machine. These are all of the goals; tables print them beside what was measured.
const (
	// AskedOfUnary is what a dispatch may take of a grpc-go unary call of the same bytes.
	AskedOfUnary = 0.60
	// AskedIdentity is what bit-identity may take of a step.
	AskedIdentity = 0.05

	askedMade = 1.3 // a start may take of reading the same files, with int8 made from bf16
	askedKept = 1.1 // the same, with int8 kept

	askedAlone  = 0.90 // decode of one sequence, of one process's speed
	askedMany   = 0.96 // the same with many
	manyAtLeast = 8
)

// askedOfLimit is by work, weights, batch and tokens; a decode is of any number of tokens.
var askedOfLimit = map[goal]float64{
	{"decode", "int8", 1, 0}:    0.80,
	{"decode", "int8", 32, 0}:   0.60,
	{"decode", "bf16", 1, 0}:    0.85,
	{"prefill", "int8", 1, 512}: 0.50,
}

type goal struct {
	name, weights string
	batch, tokens int
}

// AskedOfLimit is what a result should reach of the machine's limit; 0: nothing is asked.
func (r *Result) AskedOfLimit() float64 {
	w := goal{r.Name, r.Weights, r.Batch, r.Tokens}
	if r.Name == "decode" {
		w.tokens = 0
	}
	if !r.usual() {
		return 0
	}
	return askedOfLimit[w]
}

// AskedOfOneProcess is what a result should reach of the speed of one process; 0: nothing
// is asked.
func (r *Result) AskedOfOneProcess() float64 {
	switch {
	case r.Name != "decode" || !r.usual():
		return 0
	case r.Batch == 1:
		return askedAlone
	case r.Batch >= manyAtLeast:
		return askedMany
	}
	return 0
}

// usual tells a result of the table from a point of a curve, of which nothing is asked.
func (r *Result) usual() bool { return r.Nodes == 2 && r.Context <= decodePrompt }

// Asked is how many times the reading of its files a start may take; 0: nothing is asked.
func (s *Start) Asked() float64 {
	switch s.Kind {
	case StartMade:
		return askedMade
	case StartKept:
		return askedKept
	}
	return 0
}
