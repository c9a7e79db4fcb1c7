package pool

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// heedClock takes times that outlived an operator whose clock was ahead for now: what
// waits for some time after them would wait until that clock's day comes. They are written
// so in this round, or every later one would take them for its own now.
func (v *view) heedClock() {
	if m := v.moved; m != nil && m.Time.After(v.now) {
		v.moved = m.DeepCopy()
		v.moved.Time = metav1.NewTime(v.now.Truncate(time.Second))
	}
	if s := v.scaling; s != nil {
		v.scaling = s.DeepCopy()
		for _, t := range []*metav1.Time{v.scaling.Time, v.scaling.ReversalTime} {
			if t != nil && t.After(v.now) {
				*t = metav1.NewTime(v.now.Truncate(time.Second))
			}
		}
	}
}
