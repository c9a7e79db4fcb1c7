package diagnose

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

const (
	// lookAgain after so long, and no sooner: each look is a request past the cache.
	lookAgain = 5 * time.Second
	// lookTime is what one call may take for all its looks: what events tell is for
	// people, and nothing waits for an API server that does not answer.
	lookTime = 2 * time.Second
	// keptFor: an entry that nobody has asked for this long is of an object that is gone,
	// or healthy.
	keptFor = time.Minute
	// retriedWithin: controllers try to make a pod again after at most 1000 s.
	retriedWithin = 20 * time.Minute
)

// Events knows what Kubernetes tells in events only. It looks at most so often, and
// what it found last is known meanwhile: so a round can decide by it without waiting.
// The zero value is ready; it reads past the cache, which holds no events.
type Events struct {
	mu   sync.Mutex
	seen map[types.UID]sight
}

// sight is what the last look found.
type sight struct {
	at      time.Time
	problem *Problem
}

// Problem is what is wrong with a pod, by its status or by what is known of its events.
func (e *Events) Problem(pod *corev1.Pod, now time.Time) *Problem {
	if p := Pod(pod, now); p != nil {
		return p
	}
	if !mounting(pod) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.seen[pod.UID].problem
	if known != nil && known.Passing && !passing(pod, now, Patience) {
		return &Problem{Reason: known.Reason, Message: known.Message}
	}
	return known
}

// Look asks what keeps the kubelet from mounting volumes of those pods that wait for
// them.
func (e *Events) Look(ctx context.Context, live client.Reader, pods []corev1.Pod, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for i := range pods {
		if pod := &pods[i]; mounting(pod) {
			e.look(ctx, pod, now, func() (*Problem, error) { return mount(ctx, live, pod) })
		}
	}
}

// Refused finds out why a StatefulSet cannot make its pods, the newest of which is of
// some time.
func (e *Events) Refused(ctx context.Context, live client.Reader, owner client.Object, newest, now time.Time) *Problem {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	return e.look(ctx, owner, now, func() (*Problem, error) { return refused(ctx, live, owner, newest, now) })
}

// look finds a problem if it is time to, and returns what is known. That is kept where
// nothing can be learnt.
func (e *Events) look(ctx context.Context, o client.Object, now time.Time, find func() (*Problem, error)) *Problem {
	e.mu.Lock()
	last, known := e.seen[o.GetUID()]
	e.mu.Unlock()
	if known && now.Sub(last.at) < lookAgain {
		return last.problem
	}
	if p, err := find(); err == nil {
		last.problem = p
	} else {
		logf.FromContext(ctx).Info("events cannot be read", "of", o.GetName(), "error", err.Error())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.seen == nil {
		e.seen = map[types.UID]sight{}
	}
	maps.DeleteFunc(e.seen, func(_ types.UID, s sight) bool { return now.Sub(s.at) > keptFor })
	e.seen[o.GetUID()] = sight{now, last.problem}
	return last.problem
}

// refused: a pod that was made since, or a long time without another try, says that the
// trouble is over.
func refused(ctx context.Context, live client.Reader, owner client.Object, made, now time.Time) (*Problem, error) {
	events, err := listEvents(ctx, live, owner, fields.Set{"reason": "FailedCreate"})
	if err != nil {
		return nil, err
	}
	event := newest(events, func(*corev1.Event) bool { return true })
	if event == nil {
		return nil, nil
	}
	if at := event.LastTimestamp.Time; at.Before(made) || now.Sub(at) > retriedWithin {
		return nil, nil
	}
	return &Problem{Reason: v1alpha1.ReasonPodsRefused, Message: fmt.Sprintf(
		"the cluster refuses pods of %s: %s: change the quota or the policy of the namespace, or the spec", owner.GetName(), FirstLine(event.Message))}, nil
}

// maxEvents is what one question may return; repeats are counted in one event.
const maxEvents = 50

// listEvents lists those of an object that have the given fields.
func listEvents(ctx context.Context, live client.Reader, o client.Object, with fields.Set) ([]corev1.Event, error) {
	with["involvedObject.uid"] = string(o.GetUID())
	var list corev1.EventList
	err := live.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.Limit(maxEvents),
		client.MatchingFieldsSelector{Selector: with.AsSelector()})
	if err != nil {
		return nil, fmt.Errorf("list events of %s: %w", o.GetName(), err)
	}
	return list.Items, nil
}

// newest is the newest of the events that are meant; nil if there is none.
func newest(events []corev1.Event, meant func(*corev1.Event) bool) *corev1.Event {
	var found *corev1.Event
	for i := range events {
		if e := &events[i]; meant(e) && (found == nil || found.LastTimestamp.Before(&e.LastTimestamp)) {
			found = e
		}
	}
	return found
}
