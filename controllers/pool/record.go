package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/controllers/apply"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// record is the placement as it is written down: the ConfigMap, from which pods have it,
// and the document that this round goes by.
type record struct {
	live       corev1.ConfigMap    // read past the cache; no UID: not there
	doc        *placement.Document // the newest; nil if there is none
	unwritable error               // the ConfigMap's name belongs to somebody else: nothing can be published
}

// read reads the ConfigMap past the cache: a decision made on an older document would
// publish a revision twice. copied is what the status has.
func (w *record) read(ctx context.Context, a *apply.Applier, pool client.ObjectKey, copied *placement.Document) error {
	w.live.Name, w.live.Namespace = podspec.PlacementName(pool.Name), pool.Namespace
	if err := client.IgnoreNotFound(a.Live.Get(ctx, client.ObjectKeyFromObject(&w.live), &w.live)); err != nil {
		return err
	}
	w.disown(a)
	text := w.live.Data[podspec.PlacementKey]
	var err error
	if w.doc, err = newest(text, copied); err != nil && text != "" {
		logf.FromContext(ctx).Info("what the placement's ConfigMap has is not used, and is written anew: let nobody edit it",
			"configmap", w.live.Name, "error", err.Error())
	}
	return nil
}

// disown forgets a ConfigMap that is somebody else's. One of a deleted pool of
// this name is used: its pods still follow it.
func (w *record) disown(a *apply.Applier) {
	if w.live.UID == "" {
		return
	}
	w.unwritable = a.Ours(&w.live)
	var conflict *apply.ConflictError
	if errors.As(w.unwritable, &conflict) {
		w.live.Data = nil
	}
}

// newest is the newest document: the ConfigMap's, unless that is missing, damaged, or
// changed by somebody (it is then not newer than the status's copy). The error is what is
// wrong with the ConfigMap's.
func newest(text string, copied *placement.Document) (*placement.Document, error) {
	doc, err := parse(text)
	if err != nil {
		return copied, err
	}
	if copied != nil && doc.Revision <= copied.Revision {
		copied.Urgent = doc.Urgent && doc.Revision == copied.Revision // which the copy does not tell
		return copied, nil
	}
	return doc, nil
}

func parse(text string) (*placement.Document, error) {
	var doc placement.Document
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	if doc.Revision < 1 {
		return nil, fmt.Errorf("revision is %d; it must be at least 1", doc.Revision)
	}
	return &doc, doc.Validate()
}

// current is the placement that routers use.
func current(doc *placement.Document) *placement.Placement {
	switch {
	case doc == nil:
		return nil
	case doc.Serving != nil:
		return doc.Serving
	}
	return doc.Target
}

// moving says whether the document moves experts between the same nodes.
func moving(doc *placement.Document) bool {
	if doc == nil || doc.Serving == nil || doc.Target == nil {
		return false
	}
	return slices.EqualFunc(doc.Serving.Nodes, doc.Target.Nodes, func(a, b placement.Node) bool { return a.Name == b.Name })
}

// named are the nodes of a document, in any of its placements.
func named(doc *placement.Document) map[string]bool {
	names := map[string]bool{}
	if doc == nil {
		return names
	}
	for _, p := range doc.Placements() {
		for i := range p.Nodes {
			names[p.Nodes[i].Name] = true
		}
	}
	return names
}
