package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/olmoe-serving/olmoe-operator/api/v1alpha1"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/local"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
	"github.com/olmoe-serving/olmoe-operator/internal/weightcache"
)

// podFlags are those that both kinds of pod have.
type podFlags struct {
	model, name, placement   string
	weights, cache           string
	terminationLog, logLevel string
	drainTimeout             time.Duration
	workers                  int
	cacheMB                  int64
}

func (f *podFlags) register(fs *pflag.FlagSet) {
	host, _ := os.Hostname()
	fs.StringVar(&f.model, "model", "", "directory of the checkpoint (Hugging Face layout)")
	fs.StringVar(&f.name, "name", host, "this pod's name, by which the placement knows it")
	fs.StringVar(&f.placement, "placement", "", "file with the placement document (JSON); may appear later")
	fs.StringVar(&f.weights, "weights", "bf16", weightsHelp)
	fs.StringVar(&f.cache, "weights-cache", "", cacheHelp)
	fs.Int64Var(&f.cacheMB, "weights-cache-mb", 0, "MiB of int8 weights to keep at most (default: what leaves a tenth of the file system free, in a pod a fifth)")
	fs.StringVar(&f.terminationLog, "termination-log", "", "file that receives the reason of a fatal error")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug, info or error")
	fs.DurationVar(&f.drainTimeout, "drain-timeout", 2*time.Minute, "how long after SIGTERM running work may take; what is not done by then is ended with an error")
	fs.IntVar(&f.workers, "workers", 0, "threads for arithmetic (default: all CPUs this process may use)")
}

// check refuses flags that can never work.
func (f *podFlags) check() error {
	if f.model == "" {
		return fmt.Errorf("%w: --model is missing: give the checkpoint's directory", errFlags)
	}
	if f.drainTimeout < 0 {
		return fmt.Errorf("%w: --drain-timeout %s: give a time that is not negative", errFlags, f.drainTimeout)
	}
	return cmp.Or(inRange("--weights-cache-mb", f.cacheMB, 0, maxCacheMB), checkWorkers(f.workers), checkWeights(f.weights), checkLogLevel(f.logLevel))
}

// maxCacheMB is 16 TiB: more than a disk has, and no overflow in bytes.
const maxCacheMB = 1 << 24

// maxWorkers bounds --workers: each is a thread of its own, and no machine that
// serves has more CPUs.
const maxWorkers = 1024

func checkWorkers(n int) error {
	if n < 0 || n > maxWorkers {
		return fmt.Errorf("%w: --workers %d: give 1 to %d threads, or 0 for all CPUs", errFlags, n, maxWorkers)
	}
	return nil
}

// weightsHelp describes --weights.
const weightsHelp = "bf16: as the checkpoint stores them; int8: 8-bit integers made at load, half the memory (gate and embedding stay as stored)"

// cacheHelp describes --weights-cache.
const cacheHelp = "folder that keeps int8 weights between starts; " + modelCache + " in the model's folder is read as well (default: that one; \"none\": no folder)"

// modelCache is the folder of int8 weights in a checkpoint's.
const modelCache = ".int8"

// cacheFolders are the folders of --weights-cache, of which the first is written to, up
// to so many MiB (0 = no limit).
func cacheFolders(model, flag string, mb int64) (f weightcache.Folders) {
	f.Limit = mb << 20
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" { // in a pod
		f.Free = weightcache.FreeForKubelet
	}
	beside := filepath.Join(model, modelCache)
	switch flag {
	case "":
		f.Dirs = []string{beside}
	case "none":
	default:
		f.Dirs = []string{flag, beside}
	}
	return f
}

// checkWeights knows the forms weights can be computed in.
func checkWeights(form string) error {
	if _, err := checkpoint.ParseWeights(form); err != nil {
		return fmt.Errorf("%w: --weights: %w", errFlags, err)
	}
	return nil
}

// parseLogLevel knows the levels that the program logs at. zap's others are refused: warn
// would be error, and those above it would hide errors.
func parseLogLevel(level string) (zapcore.Level, error) {
	switch level {
	case "debug", "info", "error":
		return zapcore.ParseLevel(level)
	}
	return 0, fmt.Errorf("%w: --log-level %q: give debug, info or error", errFlags, level)
}

func checkLogLevel(level string) error {
	_, err := parseLogLevel(level)
	return err
}

// newLogger writes JSON lines to stderr.
func newLogger(level string) (logr.Logger, error) {
	l, err := parseLogLevel(level)
	if err != nil {
		return logr.Discard(), err
	}
	c := zap.NewProductionConfig()
	c.Level = zap.NewAtomicLevelAt(l)
	c.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	c.Sampling = nil
	c.DisableStacktrace = true // an error says which object or file; how the program got there helps nobody
	z, err := c.Build()
	if err != nil {
		return logr.Discard(), err
	}
	return zapr.NewLogger(z), nil
}

// flagError says what is wrong with a command line. A pod leaves it where the
// operator reads it: a flag that the image does not know is the image's version.
func flagError(cmd *cobra.Command, err error) error {
	f := podFlags{}
	if cmd.Flags().Lookup("termination-log") != nil {
		f.terminationLog = terminationLog(os.Args[1:])
	}
	return f.reported(fmt.Errorf("%w: %w; see %s --help", errFlags, err, cmd.CommandPath()))
}

// noArgs refuses what is no flag, by name: cobra's own words are about an unknown command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return flagError(cmd, fmt.Errorf("%q is no flag, and only flags are taken", args[0]))
}

// terminationLog finds that flag among others, known or not.
func terminationLog(args []string) string {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.ParseErrorsAllowlist.UnknownFlags = true
	fs.Usage = func() {}
	file := fs.String("termination-log", "", "")
	_ = fs.Parse(args) // whatever else is wrong is being told
	return *file
}

// reported writes err's reason to the termination log, where the operator reads
// it, and returns err.
func (f *podFlags) reported(err error) error {
	if err != nil && f.terminationLog != "" {
		word, _ := reason(err)
		line := word + ": " + strings.ReplaceAll(err.Error(), "\n", " ")
		if werr := os.WriteFile(f.terminationLog, []byte(line), 0o644); werr != nil { //nolint:gosec // read by the kubelet
			err = fmt.Errorf("%w (and the termination log could not be written: %v)", err, werr)
		}
	}
	return err
}

// reasons are the words under which conditions show what programs end with.
var reasons = []struct {
	err      error
	word     string
	hopeless bool
}{
	{errFlags, v1alpha1.ReasonBadFlags, true},
	{podctl.ErrListen, v1alpha1.ReasonBadFlags, true},
	{errAPIKey, v1alpha1.ReasonPodConfigError, true},
	{checkpoint.ErrNotFound, v1alpha1.ReasonModelNotFound, true},
	{checkpoint.ErrDangling, v1alpha1.ReasonModelLinkBroken, true},
	{checkpoint.ErrUnreadable, v1alpha1.ReasonModelUnreadable, true},
	{checkpoint.ErrInvalid, v1alpha1.ReasonModelInvalid, true},
	{checkpoint.ErrChanged, v1alpha1.ReasonModelChanged, false},
}

// reason is the word of err. If it is hopeless, starting again cannot help.
func reason(err error) (word string, hopeless bool) {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.word, r.hopeless
		}
	}
	return "Internal", false
}

// exitStatus tells a supervisor whether starting again can help.
func exitStatus(err error) int {
	if _, hopeless := reason(err); hopeless {
		return local.ExitHopeless
	}
	return 1
}
