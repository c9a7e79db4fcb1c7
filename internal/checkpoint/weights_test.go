package checkpoint_test

import (
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

func TestWeightsArePartOfTheFingerprint(t *testing.T) {
	dir := write(t, mini())
	seen := map[string]bool{}
	for _, w := range []checkpoint.Weights{checkpoint.AsStored, checkpoint.Int8} {
		c, err := checkpoint.OpenAs(dir, w)
		must(t, err)
		if c.Weights() != w || seen[c.Fingerprint()] {
			t.Errorf("%s: opened as %s with fingerprint %s", w, c.Weights(), c.Fingerprint())
		}
		seen[c.Fingerprint()] = true
		must(t, c.Close())
	}
	if c := open(t, dir); !seen[c.Fingerprint()] {
		t.Error("Open is not OpenAs with weights as stored")
	}
}

// What decides about experts, and what is only looked up, stays as stored.
func TestQuantisedTensors(t *testing.T) {
	o := mini()
	for _, tied := range []bool{false, true} {
		o.Tied = tied
		c, err := checkpoint.OpenAs(write(t, o), checkpoint.Int8)
		must(t, err)
		gate, _, down := checkpoint.ExpertTensorNames(0, 0)
		for name, want := range map[string]bool{
			gate: true, down: true, checkpoint.LayerTensor(0, checkpoint.QProj): true, checkpoint.LayerTensor(0, checkpoint.OProj): true,
			checkpoint.LayerTensor(0, checkpoint.Gate): false, checkpoint.LayerTensor(0, checkpoint.QNorm): false,
			checkpoint.FinalNorm: false, checkpoint.EmbedTokens: tied, c.Config().OutputTensor(): true,
		} {
			if got := c.Quantised(name); got != want {
				t.Errorf("tied %v: %s quantised: %v, want %v", tied, name, got, want)
			}
		}
		must(t, c.Close())
	}
}

func TestParseWeights(t *testing.T) {
	for name, ok := range map[string]bool{"bf16": true, "int8": true, "": false, "fp8": false, "INT8": false} {
		if _, err := checkpoint.ParseWeights(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
