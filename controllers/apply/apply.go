// Package apply writes children by server-side apply, and only when there is
// something to write (invariant 7: a quiet cluster is quiet).
package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/controllers/diagnose"
	"github.com/olmoe-serving/olmoe-operator/controllers/podspec"
)

// Manager is the field manager of everything the operator applies.
const Manager = "olmoe-operator"

// NodesManager is the field manager of an ExpertPool's number of nodes
// (docs/adr/0070).
const NodesManager = "olmoe-operator-nodes"

// HandoverManager is the field manager of a number that the spec has left to others and
// that nobody else owns yet (docs/adr/0148).
const HandoverManager = "olmoe-operator-handover"

// Applier applies the children of one owner.
type Applier struct {
	Client client.Client
	// Live reads past the cache: the cache holds only objects with the
	// operator's label, so an object of somebody else would look absent.
	Live client.Reader
	// Owner controls the children.
	Owner client.Object
	// Manager owns the fields.
	Manager string
	// Settled remembers for the rounds to come what need not be sent again.
	Settled *Settled
}

// ConflictError says that a child's name is taken.
type ConflictError struct{ Kind, Name string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s %s exists and belongs to somebody else: rename or delete it, or choose another name for this object", e.Kind, e.Name)
}

// LeftoverError says that a child of a deleted object of the same name is still
// there. The garbage collector takes it.
type LeftoverError struct{ Kind, Name, Owner string }

func (e *LeftoverError) Error() string {
	return fmt.Sprintf("%s %s of a deleted %s is still there: waiting until it is removed", e.Kind, e.Name, e.Owner)
}

// RefusedError says that the API server does not take a child. What it says about
// a field of the child is about the field of the spec with the same name.
type RefusedError struct {
	Kind, Name string
	Err        error
}

func (e *RefusedError) Error() string {
	advice := "change the field of that name in the spec, or the policy that refuses it"
	if strings.Contains(e.Err.Error(), notTaken) {
		advice = "delete it with --cascade=orphan, so that pods serve on: the operator makes it anew"
	}
	return fmt.Sprintf("the API server refuses %s %s: %v: %s", e.Kind, e.Name, e.Err, advice)
}

// notTaken is what the admission plugin OwnerReferencesPermissionEnforcement says when the
// operator takes what a deleted object has left: it may not delete it (docs/adr/0174).
const notTaken = "cannot set an ownerRef on a resource you can't delete"

func (e *RefusedError) Unwrap() error { return e.Err }

// ErrOwnerGone says that the owner is deleted, which the cache did not know yet, or is
// about to be, with its namespace. A child made now would be there again after the
// garbage collector had passed.
var ErrOwnerGone = errors.New("the owner is deleted")

// Problem finds in an error what trying again at once cannot mend; nil if that may help.
func Problem(err error) *diagnose.Problem {
	var conflict *ConflictError
	var refused *RefusedError
	var leftover *LeftoverError
	switch {
	case errors.As(err, &leftover):
		return &diagnose.Problem{Reason: v1alpha1.ReasonProgressing, Message: leftover.Error(), Passing: true}
	case errors.As(err, &conflict):
		return &diagnose.Problem{Reason: v1alpha1.ReasonNameConflict, Message: conflict.Error()}
	case errors.As(err, &refused):
		return &diagnose.Problem{Reason: v1alpha1.ReasonChildRefused, Message: refused.Error()}
	}
	return nil
}

// Apply makes the object what desired says and reports whether that changed its
// generation, or, where the kind has none, anything of it.
// live is an empty object of the kind with name and namespace; afterwards it holds what
// was found before the write (without a UID if there was nothing).
func (a *Applier) Apply(ctx context.Context, live client.Object, desired runtime.ApplyConfiguration) (bool, error) {
	if err := a.Read(ctx, live); err != nil {
		return false, err
	}
	return a.ApplyTo(ctx, live, desired)
}

// ApplyTo is Apply for an object that has been read.
func (a *Applier) ApplyTo(ctx context.Context, live client.Object, desired runtime.ApplyConfiguration) (bool, error) {
	want, err := toMap(desired)
	if err != nil {
		return false, err
	}
	owner, differ := client.ObjectKeyFromObject(a.Owner), ""
	if live.GetUID() == "" {
		if err := a.ownerIsThere(ctx); err != nil {
			return false, err
		}
	} else {
		has, err := owned(live, a.Manager)
		if err != nil {
			return false, err
		}
		differ = sides(has, strip(want))
		if reflect.DeepEqual(has, want) || a.Settled.is(owner, a.childKey(live), differ) {
			return false, nil
		}
	}
	if err := a.write(ctx, live, desired, want); err != nil {
		return false, err
	}
	now, err := versionOf(desired)
	if now.ResourceVersion == live.GetResourceVersion() {
		a.Settled.note(owner, a.childKey(live), differ)
		return false, err
	}
	return now.Generation == 0 || now.Generation != live.GetGeneration(), err
}

// HandOver makes HandoverManager an owner of fields as they are, so that Manager can leave
// them out. It takes nothing: where somebody has changed one since, that is an error, and
// the next round looks again.
func (a *Applier) HandOver(ctx context.Context, live client.Object, fields runtime.ApplyConfiguration) error {
	return judge(live, "hand over fields of", a.Client.Apply(ctx, fields, client.FieldOwner(HandoverManager)))
}

// ownerIsThere asks the API server itself, before a child is made: a child that is
// missing may have been deleted because its owner was.
func (a *Applier) ownerIsThere(ctx context.Context) error {
	owner := reflect.New(reflect.TypeOf(a.Owner).Elem()).Interface().(client.Object)
	err := a.Live.Get(ctx, client.ObjectKeyFromObject(a.Owner), owner)
	if apierrors.IsNotFound(err) || err == nil && (owner.GetUID() != a.Owner.GetUID() || owner.GetDeletionTimestamp() != nil) {
		return ErrOwnerGone
	}
	if err != nil {
		return fmt.Errorf("read %s %s: %w", kindOf(a.Owner), a.Owner.GetName(), err)
	}
	return nil
}

// write applies. Apply merges lists by their items' keys, so an item that somebody
// else added can make the whole invalid (two ports of one name): then the lists
// are first put back as a whole, which a merge patch does.
func (a *Applier) write(ctx context.Context, live client.Object, desired runtime.ApplyConfiguration, want map[string]any) error {
	err := a.Client.Apply(ctx, desired, client.FieldOwner(a.Manager), client.ForceOwnership)
	if apierrors.IsInvalid(err) && live.GetUID() != "" {
		if raw, jerr := json.Marshal(strip(want)); jerr == nil {
			target := live.DeepCopyObject().(client.Object)
			if a.Client.Patch(ctx, target, client.RawPatch(types.MergePatchType, raw), client.FieldOwner(a.Manager)) == nil {
				err = a.Client.Apply(ctx, desired, client.FieldOwner(a.Manager), client.ForceOwnership)
			}
		}
	}
	return judge(live, "apply", err)
}

// judge tells what the API server refuses from what may pass.
func judge(live client.Object, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ErrOwnerGone
	case apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err):
		return &RefusedError{Kind: kindOf(live), Name: live.GetName(), Err: err}
	}
	return fmt.Errorf("%s %s %s: %w", what, kindOf(live), live.GetName(), err)
}

// Read gets the live object, past the cache where the cache has none, and
// refuses one that is somebody else's.
func (a *Applier) Read(ctx context.Context, live client.Object) error {
	key := client.ObjectKeyFromObject(live)
	err := a.Client.Get(ctx, key, live)
	if apierrors.IsNotFound(err) {
		err = a.Live.Get(ctx, key, live)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s %s: %w", kindOf(live), key.Name, err)
	}
	return a.Ours(live)
}

// Ours says whether the owner controls an object that was read, or may take it: one that
// a deleted owner of this name has left without a controller. If not, why not.
func (a *Applier) Ours(live client.Object) error {
	if metav1.IsControlledBy(live, a.Owner) {
		return nil
	}
	ref, labels := metav1.GetControllerOf(live), live.GetLabels()
	switch {
	case ref == nil && labels[podspec.ManagedByLabel] == podspec.ManagedBy && podspec.Instance(labels) == a.Owner.GetName():
		return nil
	case ref != nil && ref.Kind == kindOf(a.Owner) && ref.Name == a.Owner.GetName():
		return &LeftoverError{Kind: kindOf(live), Name: live.GetName(), Owner: ref.Kind + " " + ref.Name}
	}
	return &ConflictError{Kind: kindOf(live), Name: live.GetName()}
}

// OwnerReference of the children: the garbage collector deletes them with their
// owner, so no finalizer is needed.
func (a *Applier) OwnerReference(gvk schema.GroupVersionKind) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion(gvk.GroupVersion().String()).WithKind(gvk.Kind).
		WithName(a.Owner.GetName()).WithUID(a.Owner.GetUID()).
		WithController(true).WithBlockOwnerDeletion(true)
}

func toMap(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(raw, &m)
}

// strip removes what identifies an object: nobody owns that.
func strip(m map[string]any) map[string]any {
	delete(m, "apiVersion")
	delete(m, "kind")
	if meta, ok := m["metadata"].(map[string]any); ok {
		for _, k := range []string{"name", "namespace", "resourceVersion", "uid"} {
			delete(meta, k)
		}
		if len(meta) == 0 {
			delete(m, "metadata")
		}
	}
	return m
}

func kindOf(o client.Object) string {
	return reflect.TypeOf(o).Elem().Name()
}
