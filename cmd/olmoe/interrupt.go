package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/olmoe-serving/olmoe-operator/internal/local"
)

var errInterrupted = errors.New("interrupted")

// interrupted is for commands that run until somebody interrupts them: that alone is no
// error.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// cutShort is for commands that have a result at their end: after an interrupt there is none.
func cutShort(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case errors.Is(err, context.Canceled):
		return errInterrupted
	}
	return fmt.Errorf("%w: %w", errInterrupted, err)
}

// endAtSecond ends the program at once when an interrupt comes while a first signal ends it
// in order, with the status that shells give for an interrupt. A SIGTERM that is repeated
// changes nothing: whoever runs containers may do that (docs/adr/0167). It tells whether the
// program is being ended so.
func endAtSecond(ctx context.Context) *atomic.Bool {
	var hurried atomic.Bool
	go func() {
		<-ctx.Done()
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt)
		<-again
		hurried.Store(true)
		local.KillAll()
		fmt.Fprintln(os.Stderr, "olmoe: interrupted again: ended at once")
		os.Exit(128 + int(syscall.SIGINT))
	}()
	return &hurried
}
