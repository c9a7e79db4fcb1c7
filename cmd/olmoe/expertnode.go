package main

import (
	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/expertnode"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
)

func newExpertNodeCommand() *cobra.Command {
	var f podFlags
	var listen, http string
	cmd := &cobra.Command{
		Use:   "expert-node",
		Short: "Run an expert-node pod: the experts that the placement gives it",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.reported(runExpertNode(cmd, &f, listen, http))
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVar(&listen, "listen", ":7070", "address of the gRPC services Dispatch and Control")
	cmd.Flags().StringVar(&http, "http", ":7071", "address of probes and metrics")
	return cmd
}

func runExpertNode(cmd *cobra.Command, f *podFlags, listen, http string) error {
	if err := f.check(); err != nil {
		return err
	}
	log, err := newLogger(f.logLevel)
	if err != nil {
		return err
	}
	grpcAt, err := podctl.Listen("--listen", listen)
	if err != nil {
		return err
	}
	httpAt, err := podctl.Listen("--http", http)
	if err != nil {
		_ = grpcAt.Close()
		return err
	}
	a := local.Announcement{Role: "expert-node", GRPC: grpcAt.Addr().String(), HTTP: httpAt.Addr().String()}
	if err := local.Announce(a); err != nil {
		return err
	}
	return expertnode.Run(cmd.Context(), expertnode.Options{
		Model: f.model, Weights: checkpoint.Weights(f.weights), Cache: cacheFolders(f.model, f.cache, f.cacheMB),
		Name: f.name, Placement: f.placement, GRPC: grpcAt, HTTP: httpAt,
		Workers: f.workers, DrainTimeout: f.drainTimeout, Log: log.WithName("expert-node"),
	})
}
