package placement

import "fmt"

// What a model may have at most (invariant 8): far above OLMoE's 16 x 64, and few enough
// that a list of all experts can be made of what somebody says who is not trusted.
const (
	MaxLayers     = 1 << 10
	MaxAllExperts = 1 << 16 // layers x experts
)

// CheckSize refuses sizes that no model has. Whoever is told some asks before making lists
// of such lengths.
func CheckSize(layers, experts int) error {
	switch {
	case layers < 1 || experts < 1:
		return fmt.Errorf("%d layers x %d experts: both must be at least 1", layers, experts)
	case layers > MaxLayers || experts > MaxAllExperts/layers:
		return fmt.Errorf("%d layers x %d experts: no model has more than %d layers, or %d experts in all", layers, experts, MaxLayers, MaxAllExperts)
	}
	return nil
}
