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
	hurried := endAtSecond(ctx)
	err := run(ctx, os.Stdout, os.Args[1:])
	if hurried.Load() {
		select {} // it ends the program
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "olmoe:", err)
		os.Exit(exitStatus(err))
	}
}

// run runs a command line.
func run(ctx context.Context, stdout *os.File, args []string) error {
	out := &output{file: stdout}
	root := newRootCommand()
	root.SetOut(out)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return err
	}
	return out.err
}

// output is stdout. It keeps the first error, for what does not look at it: help and tables.
type output struct {
	file *os.File
	err  error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// Fd lets a command find out whether there is a terminal.
func (o *output) Fd() uintptr { return o.file.Fd() }

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
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	help.Args = func(_ *cobra.Command, args []string) error {
		_, unknown, _ := root.Find(args)
		return noCommand(root, unknown)
	}
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
