package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/controllers/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

// leaseName is the Lease by which replicas of the operator elect a leader.
const leaseName = "olmoe-operator.serving.olmoe.dev"

type operatorFlags struct {
	image, metrics, probes, logLevel, certs, leaseNamespace string
	namespaces                                              []string
	elect                                                   bool
}

func newOperatorCommand() *cobra.Command {
	var f operatorFlags
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Run the Kubernetes operator: OLMoEDeployments, ExpertPools, placement",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runOperator(cmd.Context(), &f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.image, "image", "", "image of pods whose OLMoEDeployment names none; the operator's own")
	fs.StringVar(&f.metrics, "metrics-bind-address", ":8443", "address of /metrics over HTTPS, for callers that the cluster authenticates and authorizes; 0 turns it off")
	fs.StringVar(&f.certs, "metrics-cert-dir", "", "folder with tls.crt and tls.key for /metrics (default: a self-signed certificate)")
	fs.StringVar(&f.probes, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	fs.BoolVar(&f.elect, "leader-elect", false, "work only while holding the Lease "+leaseName+", so that several replicas can run")
	fs.StringVar(&f.leaseNamespace, "leader-election-namespace", "", "namespace of the Lease (default: the pod's own)")
	fs.StringSliceVar(&f.namespaces, "watch-namespaces", nil, "namespaces to work in (default: all)")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info or error")
	return cmd
}

func runOperator(ctx context.Context, f *operatorFlags) error {
	if f.image == "" {
		return fmt.Errorf("%w: --image is missing: give the image that pods shall run, the operator's own", errFlags)
	}
	logger, err := newLogger(f.logLevel)
	if err != nil {
		return fmt.Errorf("%w: %v", errFlags, err)
	}
	log.SetLogger(logger)
	klog.SetLogger(logger.WithName("client-go"))
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no cluster to work in: %w: run in a pod with a service account, or set KUBECONFIG", err)
	}
	mgr, err := ctrl.NewManager(config, f.managerOptions(logger))
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if err := setupOperator(mgr, f); err != nil {
		return err
	}
	logger.Info("operator starts", "version", version.String(), "image", f.image, "namespaces", f.namespaces, "leaderElection", f.elect)
	return mgr.Start(ctx)
}

func (f *operatorFlags) managerOptions(logger logr.Logger) ctrl.Options {
	return ctrl.Options{
		Scheme: controllers.Scheme,
		Logger: logger,
		Cache:  controllers.Cache(f.namespaces),
		Metrics: metricsserver.Options{
			BindAddress:    f.metrics,
			SecureServing:  true,
			CertDir:        f.certs,
			FilterProvider: filters.WithAuthenticationAndAuthorization,
		},
		HealthProbeBindAddress:  f.probes,
		LeaderElection:          f.elect,
		LeaderElectionID:        leaseName,
		LeaderElectionNamespace: f.leaseNamespace,
		// The next leader need not wait for the Lease to run out. Safe, because the
		// program ends right after the manager does.
		LeaderElectionReleaseOnCancel: true,
	}
}

func setupOperator(mgr ctrl.Manager, f *operatorFlags) error {
	err := controllers.Setup(mgr, controllers.Options{Image: f.image, Fleet: fleet.GRPC{}, Clock: clock.RealClock{}})
	return errors.Join(err,
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("ping", healthz.Ping),
	)
}
