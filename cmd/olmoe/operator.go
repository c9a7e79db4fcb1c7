package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/olmoe-serving/olmoe-operator/controllers"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

type operatorFlags struct {
	image, metrics, probes, logLevel, certs, lease, leaseNamespace string
	namespaces                                                     []string
	elect                                                          bool
}

func newOperatorCommand() *cobra.Command {
	var f operatorFlags
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Run the Kubernetes operator: OLMoEDeployments, ExpertPools, placement",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runOperator(cmd.Context(), &f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.image, "image", "", "image of pods whose OLMoEDeployment names none (default: that of the operator's own pod, POD_NAME in POD_NAMESPACE)")
	fs.StringVar(&f.metrics, "metrics-bind-address", ":8443", "address of /metrics over HTTPS, for callers that the cluster authenticates and authorizes; 0 turns it off")
	fs.StringVar(&f.certs, "metrics-cert-dir", "", "folder with tls.crt and tls.key for /metrics (default: a self-signed certificate)")
	fs.StringVar(&f.probes, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	fs.BoolVar(&f.elect, "leader-elect", false, "work only while holding a Lease, so that several replicas can run")
	fs.StringVar(&f.lease, "leader-election-id", controllers.LeaseName, "name of the Lease; two installations in one namespace need different ones, or one of them never works")
	fs.StringVar(&f.leaseNamespace, "leader-election-namespace", "", "namespace of the Lease (default: the pod's own)")
	fs.StringSliceVar(&f.namespaces, "watch-namespaces", nil, "namespaces to work in (default: all); those that may not be read are left out until they may")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info or error")
	return cmd
}

func runOperator(ctx context.Context, f *operatorFlags) error {
	if f.image == "" && os.Getenv("POD_NAME") == "" {
		return fmt.Errorf("%w: --image is missing, and POD_NAME and POD_NAMESPACE do not say which pod is the operator's own: give the image that pods shall run", errFlags)
	}
	logger, err := newLogger(f.logLevel)
	if err != nil {
		return err
	}
	log.SetLogger(logger)
	klog.SetLogger(logger.WithName("client-go"))
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("no cluster to work in: %w: run in a pod with a service account, or set KUBECONFIG", err)
	}
	if err := f.checkAddresses(); err != nil {
		return err
	}
	if f.image == "" {
		if f.image, err = ownImage(ctx, config); err != nil {
			return fmt.Errorf("which image the operator's own pod runs is not known: %w: let it get the pod, or give --image", err)
		}
	}
	mgr, err := controllers.NewManager(ctx, config, controllers.ManagerOptions{
		MetricsAddress: f.metrics, MetricsCertDir: f.certs, ProbeAddress: f.probes,
		LeaderElection: f.elect, LeaseName: f.lease, LeaseNamespace: f.leaseNamespace, Namespaces: f.namespaces, Log: logger,
	}, controllers.Options{Image: f.image, Fleet: &fleet.GRPC{}, Clock: clock.RealClock{}})
	if err != nil {
		return err
	}
	logger.Info("operator starts", "version", version.String(), "image", f.image, "namespaces", f.namespaces, "leaderElection", f.elect)
	return ended(mgr.Start(ctx), logger)
}

// checkAddresses refuses what the manager would find out when it is made, or only when it
// works, in words that name no flag.
func (f *operatorFlags) checkAddresses() error {
	for _, a := range [...]struct{ flag, address string }{
		{"--metrics-bind-address", f.metrics}, {"--health-probe-bind-address", f.probes},
	} {
		if a.address == "0" {
			continue
		}
		if err := checkListen(a.flag, a.address); err != nil {
			return err
		}
	}
	return nil
}

// ended is how the operator ends. Where it could work in one more namespace that is no error,
// and who keeps it alive starts it anew.
func ended(err error, log logr.Logger) error {
	if errors.Is(err, controllers.ErrNamespaceBack) {
		log.Info("the operator ends, to be started anew", "why", err.Error())
		return nil
	}
	return err
}

// ownImageTimeout bounds the one question before the operator starts: it is asked again
// when the container is.
const ownImageTimeout = 30 * time.Second

// ownImage asks the cluster for the image of the operator's own pod.
func ownImage(ctx context.Context, config *rest.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ownImageTimeout)
	defer cancel()
	c, err := client.New(config, client.Options{Scheme: controllers.Scheme})
	if err != nil {
		return "", err
	}
	return controllers.OwnImage(ctx, c, os.Getenv("POD_NAMESPACE"), os.Getenv("POD_NAME"))
}
