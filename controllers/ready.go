package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// informed fills the caches of a replica whether it leads or not. So one that stands by can
// work at once when its turn comes, and a roll does not take away an operator that works for
// one that cannot.
type informed struct {
	cache cache.Cache
	log   logr.Logger
	done  atomic.Bool
}

// retry is the pause after the API server did not tell of a kind, as in the controllers.
const retry = 10 * time.Second

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*informed) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable. It only waits: where a cache does not sync, the
// controllers end the operator that leads.
func (i *informed) Start(ctx context.Context) error {
	err := wait.PollUntilContextCancel(ctx, retry, true, func(ctx context.Context) (bool, error) {
		for _, kind := range kinds() {
			_, err := i.cache.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
			if meta.IsNoMatchError(err) {
				err = fmt.Errorf("its CRD is missing: kubectl apply --server-side -f charts/olmoe-operator/crds/: %w", err)
			}
			if err != nil {
				i.log.Error(err, "a kind cannot be watched yet")
				return false, nil
			}
		}
		return true, nil
	})
	i.done.Store(err == nil && i.cache.WaitForCacheSync(ctx))
	return nil
}

// ready is the check of /readyz.
func (i *informed) ready(*http.Request) error {
	if !i.done.Load() {
		return errors.New("the caches have not synced")
	}
	return nil
}
