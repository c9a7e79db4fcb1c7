package podctl

import (
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/model"
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
	gate, up, down := checkpoint.ExpertTensorNames(0, 0)
	for _, spec := range cfg.Tensors() {
		t, err := ck.Tensor(spec.Name)
		if err != nil {
			return nil, err
		}
		switch {
		case spec.Name == gate || spec.Name == up || spec.Name == down:
			m.ExpertBytes += uint64(model.MatrixBytes(ck, t)) //nolint:gosec // a size
		case spec.Name == checkpoint.EmbedTokens && ck.Quantised(spec.Name): // tied: as stored, and a copy for the logits
			m.RouterBytes += uint64(len(t.Data) + model.MatrixBytes(ck, t)) //nolint:gosec // a size
		case !checkpoint.IsExpertTensor(spec.Name):
			m.RouterBytes += uint64(model.MatrixBytes(ck, t)) //nolint:gosec // a size
		}
	}
	return m, nil
}
