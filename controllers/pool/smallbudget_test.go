package pool

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
)

// A minute's budget that is spent delays moves, one that is too small for any stops them: only
// that is trouble.
func TestBudgets(t *testing.T) {
	spent := &v1alpha1.RebalancingStatus{Time: metav1.NewTime(time.Unix(1e6-30, 0)), Experts: 3}
	for _, c := range []struct {
		name, budget string
		moved        *v1alpha1.RebalancingStatus
		found        rollout.Balance
		now, minute  int
		reason, says string
	}{
		{"unspent", "300", nil, rollout.Balance{Worth: true}, 3, 3, v1alpha1.ReasonBudgetSpent, "wait"},
		{"spent", "300", spent, rollout.Balance{Worth: true}, 0, 3, v1alpha1.ReasonBudgetSpent, "wait"},
		{"too small for a pair", "199", nil, rollout.Balance{TooSmall: true}, 1, 1, v1alpha1.ReasonBudgetTooSmall, "allows 1 experts of 100 bytes"},
		{"too small for an expert", "99", nil, rollout.Balance{TooSmall: true}, 0, 0, v1alpha1.ReasonBudgetTooSmall, "less than one expert"},
	} {
		p := newPair(t)
		budget := resource.MustParse(c.budget)
		p.pool.Spec.Experts.Rebalancing.MaxBytesPerMinute, p.kept.moved = &budget, c.moved
		p.pods.answers = answersOf(100)
		p.decision.Balance = &c.found
		may := p.limits()
		if p.budget().left() != c.now || may.Moves != c.minute || may.Spent != (c.moved != nil) {
			t.Errorf("%s: %d experts now, limits %+v", c.name, p.budget().left(), may)
		}
		if o := p.balancing().condition(); o.reason != c.reason || !strings.Contains(o.message, c.says) {
			t.Errorf("%s: %+v, want %s", c.name, o, c.reason)
		}
	}
}

// answersOf is what a pod says of a model whose experts have so many bytes.
func answersOf(expertBytes int64) map[string]fleet.Answer {
	return map[string]fleet.Answer{"demo-experts-0": {Report: &fleet.Report{Model: &fleet.Model{Fingerprint: "f", ExpertBytes: expertBytes}}}}
}
