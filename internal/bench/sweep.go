package bench

import "context"

// What the curves are made of.
var (
	contexts    = []int{64, 512, 1024, 2048, 4000} // and what is generated fits OLMoE's 4096
	nodeBatches = []int{1, 8}
)

// Contexts measures decoding after prompts of growing length, as far as the model's
// context reaches.
func Contexts(ctx context.Context, o Options) ([]Result, error) {
	return sweep(ctx, o, func(b *bench) (all []measurement) {
		for _, n := range contexts {
			if n+decodeTokens <= b.cfg.MaxPositionEmbeddings {
				all = append(all, measurement{size: n, run: b.decodeContext, solo: true})
			}
		}
		return all
	})
}

// Nodes measures decoding with the expert nodes that there are: a point of the
// curve over numbers of nodes.
func Nodes(ctx context.Context, o Options) ([]Result, error) {
	return sweep(ctx, o, func(b *bench) (all []measurement) {
		for _, n := range nodeBatches {
			all = append(all, measurement{size: n, run: b.decodeBatch, solo: true})
		}
		return all
	})
}

func sweep(ctx context.Context, o Options, what func(*bench) []measurement) ([]Result, error) {
	b, err := newBench(o)
	if err != nil {
		return nil, err
	}
	r, err := b.all(ctx, what(b))
	if err != nil {
		return nil, err
	}
	return r.Results, nil
}
