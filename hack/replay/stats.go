package main

import (
	"fmt"
	"slices"
	"time"
)

// at is the value below which percent of the list are; the list must not be empty.
func at[T ~int64 | ~float64](list []T, percent int) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[(len(sorted)-1)*percent/100]
}

func median[T ~int64 | ~float64](list []T) T { return at(list, 50) }

// spread is "median (least to most)".
func spread(list []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", median(list), slices.Min(list), slices.Max(list))
}

func took(steps []step) (list []time.Duration) {
	for _, s := range steps {
		list = append(list, s.took)
	}
	return list
}

// over counts the durations above a limit.
func over(list []time.Duration, limit time.Duration) (n int) {
	for _, d := range list {
		if d > limit {
			n++
		}
	}
	return n
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
