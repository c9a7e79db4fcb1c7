package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// setup is a day, a pool and what users expect of it.
type setup struct {
	Trace   string // one of poolsim.TraceNames, or a CSV file
	Peak    int    // nodes at the regular peak
	Weights string // bf16 or int8
	Rows    int    // tokens of a router's step
	Bound   time.Duration
}

// documented are those of docs/scaling.md, in the order of its tables. Half the bytes
// and a third of the arithmetic make answers twice as early: so is the bound of int8.
const documented = "diurnal:64,bursts:64,shift:64,all:64,diurnal:256,all:256,diurnal:1000," +
	"diurnal:64:int8:160:7.5ms,all:64:int8:160:7.5ms,shift:64:bf16:32:5ms"

// parseSetup reads TRACE:NODES[:WEIGHTS[:ROWS[:BOUND]]].
func parseSetup(text string) (s setup, err error) {
	s = setup{Weights: "bf16", Rows: poolsim.DefaultService().Rows, Bound: 15 * time.Millisecond}
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 5 {
		return s, fmt.Errorf("-days: %q: want TRACE:NODES[:WEIGHTS[:ROWS[:BOUND]]]", text)
	}
	s.Trace = parts[0]
	s.Peak, err = strconv.Atoi(parts[1])
	if err != nil || s.Peak < 1 || s.Peak > poolsim.MaxNodes/peakFactor {
		return s, fmt.Errorf("-days: %q: the number of nodes must be 1 to %d", text, poolsim.MaxNodes/peakFactor)
	}
	if len(parts) > 2 {
		s.Weights = parts[2]
	}
	if len(parts) > 3 {
		if s.Rows, err = strconv.Atoi(parts[3]); err != nil || s.Rows < 1 || s.Rows > maxRows {
			return s, fmt.Errorf("-days: %q: the rows of a step must be 1 to %d", text, maxRows)
		}
	}
	if len(parts) > 4 {
		if s.Bound, err = time.ParseDuration(parts[4]); err != nil || s.Bound <= 0 {
			return s, fmt.Errorf("-days: %q: the bound must be a time, such as 15ms", text)
		}
	}
	if !slices.Contains([]string{"bf16", "int8"}, s.Weights) {
		return s, fmt.Errorf("-days: %q: weights must be bf16 or int8", text)
	}
	return s, nil
}

const (
	// peakFactor is how many times the pool's nominal size a policy may take.
	peakFactor = 3
	// maxRows of a step: more than any router takes.
	maxRows = 4096
)

// trace is the day's, made or read.
func (s setup) trace(texts []poolsim.Text, seed uint64) (*poolsim.Trace, error) {
	if !strings.HasSuffix(s.Trace, ".csv") {
		return poolsim.NewTrace(s.Trace, texts, seed)
	}
	f, err := os.Open(s.Trace)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := poolsim.ReadTrace(f, s.Trace, texts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Trace, err)
	}
	return t, nil
}

// slots of a node and layer: so many that a quarter of the nodes can hold all.
func (s setup) slots() int { return min(poolsim.Experts, max(1, 4*poolsim.Experts/s.Peak)) }

func (s setup) service() poolsim.Service {
	service := poolsim.DefaultService()
	if s.Weights == "int8" {
		service = poolsim.Int8Service()
	}
	service.Rows = s.Rows
	return service
}

// pool is what days must have in common for one setting to be asked of all.
func (s setup) pool() setup {
	s.Trace = ""
	return s
}

func (s setup) String() string {
	return fmt.Sprintf("%s, %d nodes at the regular peak, %s, steps of %d, within %v", s.Trace, s.Peak, s.Weights, s.Rows, s.Bound)
}
