package main

import (
	"errors"
	"fmt"
)

var errFlags = errors.New("bad flags")

// inRange refuses a number that a flag cannot have.
func inRange[T int | int64](flag string, v, least, most T) error {
	if v < least || v > most {
		return fmt.Errorf("%w: %s %d: give %d to %d", errFlags, flag, v, least, most)
	}
	return nil
}
