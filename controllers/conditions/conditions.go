// Package conditions writes the four conditions of docs/adr/0071 from one verdict.
package conditions

import (
	"fmt"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// Verdict is the state of an object in a few words.
type Verdict struct {
	// Ready: all is as wanted. Stalled: nothing will change until somebody acts.
	// Neither: on the way.
	Ready, Stalled bool
	// Available: requests are served.
	Available bool
	// Reason and Message of Ready, Reconciling and Stalled.
	Reason, Message string
}

// Ready is the verdict of what is as wanted.
func Ready(message string) Verdict {
	return Verdict{Ready: true, Reason: v1alpha1.ReasonAsWanted, Message: message}
}

// Waiting is the verdict of what is on the way.
func Waiting(reason, format string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Stalled is the verdict of what somebody has to mend.
func Stalled(reason, message string) Verdict {
	return Verdict{Stalled: true, Reason: reason, Message: message}
}

// maxMessage is the API's limit of a condition's message.
const maxMessage = 32768

// cut shortens s to at most limit bytes, the end that says so included.
func cut(s string, limit int, end string) string {
	if len(s) <= limit {
		return s
	}
	n := limit - len(end)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + end
}

// Set writes v into conditions. Times change only where a status does.
func Set(conditions *[]metav1.Condition, generation int64, now time.Time, v Verdict) {
	v.Message = cut(v.Message, maxMessage, "...")
	set := func(kind string, is bool, reason, message string) {
		status := metav1.ConditionFalse
		if is {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message,
			ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	reconciling := !v.Ready && !v.Stalled
	set(v1alpha1.ConditionReady, v.Ready, v.Reason, v.Message)
	set(v1alpha1.ConditionReconciling, reconciling, v.Reason, v.Message)
	if v.Stalled {
		set(v1alpha1.ConditionStalled, true, v.Reason, v.Message)
	} else {
		set(v1alpha1.ConditionStalled, false, v1alpha1.ReasonNotStalled, "")
	}
	if v.Available {
		set(v1alpha1.ConditionAvailable, true, v1alpha1.ReasonServing, "requests are served")
	} else {
		set(v1alpha1.ConditionAvailable, false, v1alpha1.ReasonNotServing, v.Message)
	}
}

// Tell makes an event of a verdict that is news to whoever read the conditions: another
// reason than before, or the same one that now needs somebody to act.
func Tell(to events.EventRecorder, about runtime.Object, before []metav1.Condition, v Verdict) {
	stalled := Of(before, v1alpha1.ConditionStalled).Status == metav1.ConditionTrue
	if Of(before, v1alpha1.ConditionReady).Reason == v.Reason && stalled == v.Stalled {
		return
	}
	kind := corev1.EventTypeNormal
	if v.Stalled {
		kind = corev1.EventTypeWarning
	}
	to.Eventf(about, nil, kind, v.Reason, "Reconcile", "%s", v.Message)
}

// Of reads a condition; a missing one is Unknown.
func Of(conditions []metav1.Condition, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonProgressing, Message: "not reported yet"}
}
