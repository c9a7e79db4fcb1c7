package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// LeaseName is the Lease by which replicas of the operator elect a leader, unless they
// are given another one.
const LeaseName = "olmoe-operator.serving.olmoe.dev"

// ManagerOptions are the operator's own settings.
type ManagerOptions struct {
	// MetricsAddress of /metrics over HTTPS, "0" for none; MetricsCertDir holds
	// tls.crt and tls.key, empty for a self-signed certificate.
	MetricsAddress, MetricsCertDir string
	// ProbeAddress of /healthz and /readyz.
	ProbeAddress string
	// LeaderElection: work only while holding the Lease LeaseName, in LeaseNamespace
	// (empty: the pod's own).
	LeaderElection            bool
	LeaseName, LeaseNamespace string
	// Namespaces to work in; none means all. Those that may not be read are left out, and
	// asked again each AskAgain (0: a minute).
	Namespaces []string
	AskAgain   time.Duration
	Log        logr.Logger
	// SharedProcess allows several operators in one process (tests).
	SharedProcess bool
}

// NewManager makes a manager with both controllers, metrics for those who may
// read them, and probes. Its Start ends with ErrNamespaceBack when another manager
// would work in more of the namespaces.
func NewManager(ctx context.Context, cluster *rest.Config, m ManagerOptions, o Options) (ctrl.Manager, error) {
	reader, err := client.New(cluster, client.Options{Scheme: Scheme})
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	watched, left, err := split(ctx, reader, m.Namespaces, m.Log)
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	mgr, err := ctrl.NewManager(cluster, ctrl.Options{
		Scheme: Scheme,
		Logger: m.Log,
		Cache:  Cache(watched),
		Metrics: metricsserver.Options{
			BindAddress:    m.MetricsAddress,
			SecureServing:  true,
			CertDir:        m.MetricsCertDir,
			FilterProvider: filters.WithAuthenticationAndAuthorization,
		},
		HealthProbeBindAddress:  m.ProbeAddress,
		LeaderElection:          m.LeaderElection,
		LeaderElectionID:        m.LeaseName,
		LeaderElectionNamespace: m.LeaseNamespace,
		// The next leader need not wait for the Lease to run out. Safe, because the
		// program ends right after the manager does.
		LeaderElectionReleaseOnCancel: true,
		Controller:                    config.Controller{SkipNameValidation: &m.SharedProcess},
	})
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	caches := &informed{cache: mgr.GetCache(), log: m.Log}
	err = errors.Join(
		Setup(mgr, o),
		mgr.Add(caches),
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("caches", caches.ready),
	)
	if len(left) > 0 {
		err = errors.Join(err, mgr.Add(&leftOut{reader: reader, namespaces: left, every: cmp.Or(m.AskAgain, askAgain)}))
	}
	return mgr, err
}
