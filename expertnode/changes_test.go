package expertnode

import (
	"fmt"
	"slices"
	"testing"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
)

// Files that were replaced leave the node serving what it has; files that were written
// in place end it.
func TestWhatAChangeOfTheModelMeans(t *testing.T) {
	for _, c := range []struct {
		change error
		ends   bool
	}{{checkpoint.ErrReplaced, false}, {checkpoint.ErrChanged, true}} {
		n := &node{opts: Options{Log: logr.Discard()}}
		var cause error
		n.modelChanged(fmt.Errorf("model.safetensors: %w", c.change), func(err error) { cause = err })
		if (cause != nil) != c.ends || (n.brokenBy() != nil) != c.ends {
			t.Errorf("%v: the node ends with %v, is broken by %v; want that it ends: %v", c.change, cause, n.brokenBy(), c.ends)
		}
	}
}

// While a node loads it says what it holds already: routers use that.
func TestExpertsAreAnnouncedAsTheyCome(t *testing.T) {
	h, a := keeper(t, sharedModel(t))
	var counts []int
	h.changed = func() { counts = append(counts, h.now.Load().set.Count()) }
	none := *a
	none.order, none.want = nil, assign(nil, "", a.want.Layers, a.want.Experts).want
	h.want.Store(&none)
	if err := h.follow(t.Context()); err != nil || counts[len(counts)-1] != 0 {
		t.Fatal(counts, err)
	}
	counts = nil
	h.published = h.published.Add(-2 * publishInterval)
	h.want.Store(a)
	if err := h.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := len(a.order); !slices.IsSorted(counts) || counts[0] >= all || counts[len(counts)-1] != all {
		t.Errorf("held as it was told: %v, of %d", counts, all)
	}
}

// What serves, or has no owner at all, is loaded at once; what only the next placement
// asks for, in the background.
func TestWhatIsLoadedNext(t *testing.T) {
	h, _ := keeper(t, sharedModel(t))
	serving, target := []expertID{{0, 0}, {0, 1}}, []expertID{{0, 1}, {1, 2}}
	a := &assignment{order: []expertID{{0, 0}, {0, 1}, {1, 2}}, epochs: []share{{1, serving}, {2, target}}}
	for _, c := range []struct {
		name    string
		missing []expertID
		urgent  bool
		want    []expertID
		prio    priority
	}{
		{"nothing", nil, false, nil, urgent},
		{"all", a.order, false, serving, urgent},
		{"one that serves", []expertID{{0, 1}, {1, 2}}, false, []expertID{{0, 1}}, urgent},
		{"one of the target", []expertID{{1, 2}}, false, []expertID{{1, 2}}, background},
		{"one that nobody has", []expertID{{1, 2}}, true, []expertID{{1, 2}}, urgent},
	} {
		whole := slices.Clone(h.loaded)
		for _, x := range c.missing {
			h.at(x).expert = nil
		}
		a.urgent = c.urgent
		if list, prio := h.next(a); !slices.Equal(list, c.want) || prio != c.prio {
			t.Errorf("%s is missing: %v is loaded, priority %v; want %v, %v", c.name, list, prio, c.want, c.prio)
		}
		copy(h.loaded, whole)
	}
}
