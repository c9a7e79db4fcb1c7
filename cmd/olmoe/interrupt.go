package main

import (
	"context"
	"errors"
	"fmt"
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
