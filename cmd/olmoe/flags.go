package main

import (
	"errors"
	"fmt"
)

var errFlags = errors.New("bad flags")

// notNegative refuses a number below 0.
func notNegative[T int | int64](flag string, v T) error {
	if v < 0 {
		return fmt.Errorf("%w: %s %d is negative", errFlags, flag, v)
	}
	return nil
}

// inRange refuses a number that a flag cannot have.
func inRange[T int | int64](flag string, v, least, most T) error {
	if v < least || v > most {
		return fmt.Errorf("%w: %s %d: give %d to %d", errFlags, flag, v, least, most)
	}
	return nil
}
