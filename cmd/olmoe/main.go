// Command olmoe is every role of the project in one static binary: the operator,
// the two kinds of pod it makes, and the tools around them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/olmoe-serving/olmoe-operator/internal/version"
)

func main() {
	if computes(os.Args) {
		coarseTimers()
	}
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "olmoe:", err)
		os.Exit(exitStatus(err))
	}
}

// endings are the signals that end the program in order. A terminal that is closed is one,
// unless nohup had it ignored.
func endings() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "olmoe",
		Short:         "Serve OLMoE with its experts spread over many processes",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version.String(),
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		DisableFlagsInUseLine: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newOperatorCommand(), newRouterCommand(), newExpertNodeCommand(),
		newUpCommand(), newLogitsCommand(), newBenchCommand(), newPlanCommand(), newTopCommand(), newVersionCommand(),
	)
	return root
}

// noCommand refuses what is none of the commands; cobra itself would end with status 1.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return flagError(cmd, fmt.Errorf("%q is no command", args[0]))
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version.String()) },
	}
}
