package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// ErrNamespaceBack ends a manager that has left out a namespace which it may read now: a
// new one works there as well.
var ErrNamespaceBack = errors.New("a namespace that was left out can be read")

const (
	// lookTimeout bounds the questions about a namespace: without an answer the operator
	// does not start, and its container is started again.
	lookTimeout = 30 * time.Second
	// askAgain is how often namespaces that were left out are asked.
	askAgain = time.Minute
)

// split leaves out the namespaces that the operator may not read. Controllers start when
// the caches of all namespaces have synced, so one such namespace would end the work in all
// others (docs/adr/0156). With none left there is nothing to do, and no namespaces would mean
// all.
func split(ctx context.Context, c client.Reader, namespaces []string, log logr.Logger) (watched, left []string, err error) {
	var refused error
	for _, ns := range namespaces {
		err := readable(ctx, c, ns)
		switch {
		case err == nil:
			watched = append(watched, ns)
			watchedGauge.WithLabelValues(ns).Set(1)
		case apierrors.IsForbidden(err):
			left, refused = append(left, ns), err
			watchedGauge.WithLabelValues(ns).Set(0)
			log.Error(err, "nothing is done in a namespace that the operator may not read: give it its rights there (the chart does), or take it out of --watch-namespaces", "namespace", ns)
		default:
			return nil, nil, fmt.Errorf("namespace %s: %w", ns, err)
		}
	}
	if len(watched) == 0 && refused != nil {
		return nil, nil, fmt.Errorf("none of the namespaces of --watch-namespaces can be read: %w", refused)
	}
	return watched, left, nil
}

// readable asks for one object of each kind that is watched: who may give rights in a
// namespace may give a part of them, and one cache that never syncs is enough.
func readable(ctx context.Context, c client.Reader, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for _, kind := range kinds() {
		gvk, err := apiutil.GVKForObject(kind, Scheme)
		if err != nil {
			return err
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err := c.List(ctx, list, client.InNamespace(namespace), client.Limit(1)); err != nil && !meta.IsNoMatchError(err) {
			return err
		}
	}
	return nil
}

// leftOut asks for the namespaces that the manager has started without, and ends it when
// one can be read.
type leftOut struct {
	reader     client.Reader
	namespaces []string
	every      time.Duration
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: a replica that stands by has
// left them out as well.
func (*leftOut) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (l *leftOut) Start(ctx context.Context) error {
	t := time.NewTicker(l.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		for _, ns := range l.namespaces {
			if readable(ctx, l.reader, ns) == nil {
				return fmt.Errorf("%w: %s", ErrNamespaceBack, ns)
			}
		}
	}
}
