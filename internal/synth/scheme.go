package synth

import (
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// The scales are chosen so that every part of the model matters for the logits
// (their deviation is about 3), but the layers do not amplify rounding errors.
const (
	embedScale  = 1.0
	headScale   = 3.0 // of the output matrix, and of a tied embedding
	outScale    = 0.6
	downScale   = 1.2
	gateUpScale = 1.3
	routerScale = 1.6
	qkvScale    = 1.2
	qkNormMean  = 1.3
	qkNormStd   = 0.3
	normStd     = 0.2
)

// spread is the mean and deviation of a tensor's elements.
type spread struct{ mean, std float64 }

// spreadOf is the scheme: a tensor's name decides how its elements spread.
func spreadOf(name string, c *checkpoint.Config) spread {
	root := invSqrt(c.HiddenSize)
	has := func(part string) bool { return strings.HasSuffix(name, part+".weight") }
	switch {
	case name == checkpoint.LMHead:
		return spread{0, headScale * root}
	case name == checkpoint.EmbedTokens && c.TieWordEmbeddings:
		return spread{0, headScale * root}
	case name == checkpoint.EmbedTokens:
		return spread{0, embedScale}
	case has("down_proj"):
		return spread{0, downScale * invSqrt(c.IntermediateSize)}
	case has("gate_proj"), has("up_proj"):
		return spread{0, gateUpScale * root}
	case has(checkpoint.Gate):
		return spread{0, routerScale * root}
	case has(checkpoint.QNorm), has(checkpoint.KNorm):
		return spread{qkNormMean, qkNormStd}
	case has(checkpoint.OProj):
		return spread{0, outScale * root}
	case has(checkpoint.QProj), has(checkpoint.KProj), has(checkpoint.VProj):
		return spread{0, qkvScale * root}
	}
	return spread{1, normStd} // the other norms
}

// rowSkew gives the rows of the expert router very different lengths, so that
// some experts get many more tokens than others, as in a trained model. It is
// nil for every other tensor.
func rowSkew(spec checkpoint.Spec, seed uint64) []float64 {
	if !strings.HasSuffix(spec.Name, checkpoint.Gate+".weight") {
		return nil
	}
	skew := make([]float64, spec.Shape[0])
	state := fnv1a64(spec.Name+"#skew") ^ seed
	for i := range skew {
		state += golden
		skew[i] = 0.4 + float64(1.3*(normal(wordSum(state))+3.5)/7.0)
	}
	return skew
}
