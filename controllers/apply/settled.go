package apply

import (
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Settled remembers applies that changed nothing although they differ from what is there,
// because the API server or a webhook writes a value in its own way. They are not sent
// again while both sides stay the same. The zero value is ready.
type Settled struct {
	mu  sync.Mutex
	all map[types.NamespacedName]map[string]string // by owner, then by child and manager: the two sides
}

func (s *Settled) is(owner types.NamespacedName, child, sides string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[owner][child] == sides
}

func (s *Settled) note(owner types.NamespacedName, child, sides string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[types.NamespacedName]map[string]string{}
	}
	if s.all[owner] == nil {
		s.all[owner] = map[string]string{}
	}
	s.all[owner][child] = sides
}

// Forget drops what is known of an owner that is gone.
func (s *Settled) Forget(owner types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, owner)
}

// childKey names a child and who applies it; one that is made anew is another.
func (a *Applier) childKey(live client.Object) string {
	return fmt.Sprint(kindOf(live), "/", live.GetUID(), "/", a.Manager)
}

// sides are what is there and what is wanted, as a text to compare.
func sides(has, want map[string]any) string {
	raw, _ := json.Marshal([]any{has, want}) // both were made from JSON
	return string(raw)
}

// version of an object.
type version struct {
	ResourceVersion string `json:"resourceVersion"`
	Generation      int64  `json:"generation"`
}

// versionOf reads the version from the answer to an apply, which the client writes into
// what was applied.
func versionOf(applied runtime.ApplyConfiguration) (version, error) {
	var o struct {
		Metadata version `json:"metadata"`
	}
	raw, err := json.Marshal(applied)
	if err == nil {
		err = json.Unmarshal(raw, &o)
	}
	return o.Metadata, err
}
