package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
)

// localFlags are those of the commands that run a whole deployment on this machine.
type localFlags struct {
	local.Options
}

func (f *localFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.Model, "model", "", "directory of the checkpoint (Hugging Face layout)")
	fs.IntVar(&f.ExpertNodes, "expert-nodes", 2, "expert-node processes, 1 to the model's experts a layer")
	fs.IntVar(&f.Replicas, "replicas-per-expert", 1, "how many of the --expert-nodes hold each expert")
	fs.StringVar(&f.Weights, "weights", "bf16", weightsHelp)
	fs.StringVar(&f.Cache, "weights-cache", "", cacheHelp)
	fs.IntVar(&f.Workers, "workers", 0, "threads for arithmetic in each process (default: all CPUs)")
	fs.StringVar(&f.LogLevel, "log-level", "error", "what the processes log on stderr: debug, info or error")
	f.Stderr = os.Stderr
}

// check refuses flags that can never work, and a model that cannot be read: once,
// before anything is started or measured, not by each process.
func (f *localFlags) check() (*checkpoint.Config, error) {
	if f.Model == "" {
		return nil, fmt.Errorf("%w: --model is missing: give the checkpoint's directory", errFlags)
	}
	if err := cmp.Or(checkWorkers(f.Workers), checkWeights(f.Weights), checkLogLevel(f.LogLevel)); err != nil {
		return nil, err
	}
	ck, err := checkpoint.Open(f.Model)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ck.Close() }()
	if err := inRange("--expert-nodes", f.ExpertNodes, 1, ck.Config().NumExperts); err != nil {
		return nil, err
	}
	if err := inRange("--replicas-per-expert", f.Replicas, 1, f.ExpertNodes); err != nil {
		return nil, fmt.Errorf("%w, the number of --expert-nodes", err)
	}
	return ck.Config(), nil
}

// startPool checks the flags and starts the expert-node processes.
func (f *localFlags) startPool(ctx context.Context) (*local.Pool, error) {
	config, err := f.check()
	if err != nil {
		return nil, err
	}
	if slow := podctl.Portable(); slow != "" {
		fmt.Fprintln(f.Stderr, "olmoe:", slow)
	}
	return local.StartPool(ctx, config, f.Options)
}

func newUpCommand() *cobra.Command {
	var f localFlags
	var listen string
	cmd := &cobra.Command{
		Use:   "up --model DIR",
		Short: "Serve on this machine: a router and expert nodes as separate processes",
		Long: `Serve on this machine: a router and expert nodes as separate processes on
loopback. Prints "ready http://HOST:PORT" when it serves; an interrupt stops all, in
order, and a second one at once.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return interrupted(cmd.Context(), up(cmd, &f, listen))
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8000", "HOST:PORT of the HTTP API; port 0 takes a free one")
	return cmd
}

func up(cmd *cobra.Command, f *localFlags, listen string) error {
	if err := checkListen("--listen", listen); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	pool, err := f.startPool(ctx)
	if err != nil {
		cancel()
		return err
	}
	defer pool.Close()
	defer pool.Wait() // after cancel: no process outlives us
	defer cancel()
	url, err := startRouter(ctx, pool, "router", listen)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), "ready "+url); err != nil {
		return fmt.Errorf("tell that it is ready: %w", err) // whoever waits for that would wait for ever
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-pool.Failed():
		return err
	}
}

// startRouter starts the router's process and returns its URL once it is ready: with the
// host as it was asked for, which is what others know, and the port that it has.
func startRouter(ctx context.Context, pool *local.Pool, name, listen string, more ...string) (string, error) {
	args := func(http, grpc string) []string {
		own := append([]string{"router", "--name", name, "--listen", http, "--control", grpc, "--drain-delay", "0s"}, more...)
		return append(own, pool.CommonArgs()...)
	}
	process := pool.Keep(ctx, args(listen, "127.0.0.1:0"), func(a local.Announcement) []string { return args(a.HTTP, a.GRPC) })
	at, err := pool.Await(ctx, process)
	if err != nil {
		return "", err
	}
	if err := pool.AwaitReady(ctx, process); err != nil {
		return "", err
	}
	host, _, _ := net.SplitHostPort(listen)
	if _, port, err := net.SplitHostPort(at.HTTP); err == nil && host != "" {
		return local.URL(net.JoinHostPort(host, port), ""), nil
	}
	return local.URL(at.HTTP, ""), nil
}
