package podctl

import (
	"fmt"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
)

// DescribeModel is the model's part of Describe, the same from all pods.
func DescribeModel(ck *checkpoint.Checkpoint, name string) (*controlpb.Model, error) {
	cfg := ck.Config()
	m := &controlpb.Model{
		Fingerprint: ck.Fingerprint(), Name: name,
		Layers: uint32(cfg.NumLayers), Experts: uint32(cfg.NumExperts), ExpertsPerToken: uint32(cfg.NumExpertsPerTok),
		HiddenSize: uint32(cfg.HiddenSize), IntermediateSize: uint32(cfg.IntermediateSize),
		ContextLength: uint32(cfg.MaxPositionEmbeddings),
	}
	first := fmt.Sprintf("model.layers.0.%s0.", expertsPart)
	for _, spec := range cfg.Tensors() {
		t, err := ck.Tensor(spec.Name)
		if err != nil {
			return nil, err
		}
		switch {
		case strings.HasPrefix(spec.Name, first):
			m.ExpertBytes += uint64(len(t.Data))
		case !strings.Contains(spec.Name, expertsPart):
			m.RouterBytes += uint64(len(t.Data))
		}
	}
	return m, nil
}

// expertsPart is in the name of every expert's tensors and of no other.
const expertsPart = "mlp.experts."
