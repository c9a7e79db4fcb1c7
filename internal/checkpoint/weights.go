package checkpoint

import "fmt"

// Weights is the form in which a process computes with the model's matrices.
type Weights string

const (
	// AsStored is the file's own form: BF16, F16 or F32.
	AsStored Weights = "bf16"
	// Int8 makes 8-bit integers of the large matrices when they are loaded
	// (docs/quantization.md).
	Int8 Weights = "int8"
)

// ParseWeights checks the name of a form.
func ParseWeights(name string) (Weights, error) {
	switch w := Weights(name); w {
	case AsStored, Int8:
		return w, nil
	}
	return "", fmt.Errorf("weights %q are not supported: use %s (weights as stored) or %s (8-bit integers in groups of 32 with a scale)",
		name, AsStored, Int8)
}

// OpenAs is Open for a process that computes in the given form ("" = AsStored). The form is part
// of the fingerprint: pods that would compute different numbers must not work
// together.
func OpenAs(dir string, w Weights) (*Checkpoint, error) {
	c, err := Open(dir)
	if err != nil {
		return nil, err
	}
	if w != "" && w != AsStored {
		c.weights = w
		c.fingerprint += "-" + string(w)
	}
	return c, nil
}

// Weights is the form in which the checkpoint was opened.
func (c *Checkpoint) Weights() Weights { return c.weights }

// Quantised tells whether a process that computes with 8-bit integers does so
// with this tensor. The gate stays as stored: its sums decide which experts a
// token gets. So do the embedding, of which a row is looked up, and the norms.
func (c *Checkpoint) Quantised(name string) bool {
	switch {
	case c.weights != Int8 || len(c.tensors[name].Shape) != 2 || isGate(name):
		return false
	case name == EmbedTokens:
		return c.config.TieWordEmbeddings // a copy, for the logits
	}
	return true
}
