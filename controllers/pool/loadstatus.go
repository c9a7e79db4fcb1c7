package pool

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// fillLoad tells the measured load: at most once in a window, and nothing while
// there is none, so that a pool without traffic is not written. Balancedness counts
// experts as long as there are too few tokens. A time ahead of the clock is no time at which
// it was told.
func (v *view) fillLoad(s *v1alpha1.ExpertPoolStatus) {
	if !v.looked || v.memory.looks.missed > 0 {
		return
	}
	sum := &v.memory.looks.report.Summary
	switch told := s.Load != nil && s.Load.TokensPerSecond != noTokens; {
	case !told && sum.TokensPerSecond == 0:
	case s.Load != nil && !s.Load.Time.After(v.now) && v.now.Sub(s.Load.Time.Time) < v.wanted.window():
		return
	default:
		s.Load = loadStatus(sum, v.now)
	}
	if v.memory.looks.fewTokens(v.wanted.window()) {
		tellBalance(s, current(v.decision.Doc).Balancedness(nil))
		return
	}
	tellBalance(s, sum.Balancedness)
}

// noTokens is how the status writes that there are none.
const noTokens = "0.0"

// tellBalance shows the balancedness of each layer, and the worst.
func tellBalance(s *v1alpha1.ExpertPoolStatus, layers []float64) {
	s.Balancedness = nil
	for _, b := range layers {
		s.Balancedness = append(s.Balancedness, fmt.Sprintf("%.2f", b))
	}
	s.Summary.Balancedness = fmt.Sprintf("%.2f", slices.Min(layers))
}

// loadStatus is the part of a report that people look at.
func loadStatus(sum *load.Summary, now time.Time) *v1alpha1.LoadStatus {
	out := &v1alpha1.LoadStatus{Time: metav1.NewTime(now), TokensPerSecond: fmt.Sprintf("%.1f", sum.TokensPerSecond)}
	if h := sum.Hottest; h != nil {
		out.HottestExpert = &v1alpha1.HottestExpert{Layer: int32(h.Layer), Expert: int32(h.Expert), TimesMean: fmt.Sprintf("%.2f", h.TimesMean)} //nolint:gosec // a model's dimensions
	}
	if b := sum.Busiest; b != nil {
		queue := time.Duration(b.MeanQueueSeconds * float64(time.Second))
		out.BusiestNode = &v1alpha1.BusiestNode{
			Name: b.Node, Utilization: fmt.Sprintf("%.2f", b.Utilization),
			QueueMilliseconds: fmt.Sprintf("%.2f", float64(queue.Microseconds())/1000),
		}
	}
	return out
}
