package simulation

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
)

// cached are the kinds that the operator reads from its cache. Each kind is as
// far behind as it happens to be; none ever goes back.
var cached = []string{"ExpertPool", "StatefulSet", "Pod", "Service", "ServiceAccount", "PodDisruptionBudget"}

// reader reads objects of a store.
type reader struct{ objects store }

func (r reader) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	found := r.objects[kindOf(o)][key.Name]
	if found == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kindOf(o)}, key.Name)
	}
	into(o, found)
	return nil
}

func (r reader) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	pods, ok := list.(*corev1.PodList)
	if !ok {
		return nil // events: there are none
	}
	var o client.ListOptions
	o.ApplyOptions(opts)
	for _, name := range slices.Sorted(maps.Keys(r.objects["Pod"])) {
		if p := r.objects["Pod"][name].(*corev1.Pod); o.LabelSelector.Matches(labels.Set(p.Labels)) {
			pods.Items = append(pods.Items, *p.DeepCopy())
		}
	}
	return nil
}

// operatorClient is one operator's: it reads from its cache and writes to the
// API. What it does not implement the reconciler must not use: that panics.
type operatorClient struct {
	client.Client
	w     *world
	cache store
}

func newOperatorClient(w *world) *operatorClient {
	c := &operatorClient{w: w, cache: store{}}
	for _, kind := range cached {
		c.cache[kind] = w.api.objects.snapshot(kind)
	}
	return c
}

// catchUp lets the watches of some kinds bring the newest.
func (c *operatorClient) catchUp(all bool) {
	for _, kind := range cached {
		if all || c.w.rnd.IntN(4) > 0 {
			c.cache[kind] = c.w.api.objects.snapshot(kind)
		}
	}
}

func (c *operatorClient) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	err := reader{c.cache}.Get(ctx, key, o, opts...)
	if pool, ok := o.(*v1alpha1.ExpertPool); ok && err == nil {
		c.w.shown = pool.DeepCopy()
	}
	return err
}

func (c *operatorClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return reader{c.cache}.List(ctx, list, opts...)
}

func (c *operatorClient) Apply(_ context.Context, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	var options client.ApplyOptions
	options.ApplyOptions(opts)
	want, shown := toMap(o), c.w.shown
	kind, name := want["kind"].(string), want["metadata"].(map[string]any)["name"].(string)
	return c.write(kind, func() error {
		err := c.w.takeApply(want, options.FieldManager, shown)
		if err == nil {
			fromMap(toMap(c.w.api.get(kind, name)), o) // the answer
		}
		return err
	})
}

func (c *operatorClient) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	return c.write("delete "+kindOf(o), func() error { c.w.api.remove(kindOf(o), o.GetName()); return nil })
}

func (c *operatorClient) Status() client.SubResourceWriter { return statusWriter{c: c} }

type statusWriter struct {
	client.SubResourceWriter
	c *operatorClient
}

func (s statusWriter) Patch(_ context.Context, o client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	raw, err := patch.Data(o)
	if err != nil {
		return err
	}
	shown, now := s.c.w.shown, s.c.w.operatorTime()
	return s.c.write("status", func() error {
		err := s.c.w.api.patchStatus(o, raw)
		if err == nil && bytes.Contains(raw, []byte(`"conditions"`)) { // a round's verdict, not the copy of a placement
			s.c.w.checkReady(o.(*v1alpha1.ExpertPool), shown)
		}
		if p := o.(*v1alpha1.ExpertPool).Status.Placement; err == nil && p != nil {
			s.c.w.decide(p.Revision, now)
		}
		return err
	})
}

// crash is what a write panics with when the operator dies there.
type crash struct{}

var errUnheard = errors.New("the answer was lost")

// write does a write as the round's fate has it: it may fail, take effect without
// an answer, or only when the operator has given up on it, or be its last.
func (c *operatorClient) write(what string, effect func() error) error {
	w := c.w
	r := &w.round
	r.writes++
	if r.crashBefore == r.writes {
		panic(crash{})
	}
	if r.crashAfter == r.writes {
		_ = w.takeEffect(what, effect)
		panic(crash{})
	}
	switch n := w.rnd.IntN(200); {
	case w.still:
	case n < 3:
		return apierrors.NewInternalError(errors.New("etcd has no leader"))
	case n < 6:
		return conflict(what, "object")
	case n < 9:
		_ = w.takeEffect(what, effect)
		return errUnheard
	case n < 12:
		w.late = append(w.late, func() { _ = w.takeEffect("late "+what, effect) })
		return errUnheard
	}
	return w.takeEffect(what, effect)
}

// takeEffect does a write and counts it.
func (w *world) takeEffect(what string, effect func() error) error {
	err := effect()
	if err == nil {
		w.stats.writes[what]++
	}
	return err
}
