package pool

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// budget is how much nodes may load because of their load.
type budget struct {
	expertBytes    int64 // 0: not known
	bytesPerMinute int64
	moved          *v1alpha1.RebalancingStatus // the last moves; nil: none yet
	now            time.Time
}

// budgetPeriod is a minute, and one second because the stored time has whole seconds.
const budgetPeriod = time.Minute + time.Second

// left is how many experts may be loaded now because of their load: up to a
// minute's worth at once, and then nothing for a minute, so that no minute, from
// whichever moment it is counted, sees more (invariant 8).
func (b budget) left() int {
	if b.spent() {
		return 0
	}
	return b.perMinute()
}

func (b budget) spent() bool { return b.moved != nil && b.now.Before(b.moved.Time.Add(budgetPeriod)) }

// perMinute is how many experts a minute's worth is.
func (b budget) perMinute() int {
	if b.expertBytes == 0 {
		return 0
	}
	return int(b.bytesPerMinute / b.expertBytes)
}

// spend is the note of experts that are moved now.
func (b budget) spend(experts int) *v1alpha1.RebalancingStatus {
	return &v1alpha1.RebalancingStatus{
		Time: metav1.NewTime(b.now.Truncate(time.Second)), Experts: int32(experts), Bytes: int64(experts) * b.expertBytes, //nolint:gosec // at most layers x experts x nodes
	}
}
