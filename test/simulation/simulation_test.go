package simulation

import (
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

var (
	oneSeed   = flag.Uint64("seed", 0, "run this seed only")
	seedSteps = flag.Int("steps", stepsPerSeed, "steps of a seed")
	firstSeed = flag.Uint64("first", 1_000_000, "first seed of TestSoak")
	soakSteps = flag.Int("soak", 0, "run this many steps in TestSoak")
)

// stepsPerSeed are about ten simulated minutes.
const stepsPerSeed = 1000

// testSteps are run by every test run.
const testSteps = 10_000

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	m.Run()
}

// run is one history: random events, then rest.
func run(seed uint64, steps int) (s stats, err error) {
	w := newWorld(seed, steps)
	defer func() {
		s = w.stats
		switch v := recover().(type) {
		case nil:
		case violation:
			err = errors.New(v.text)
		default:
			panic(v)
		}
	}()
	for range steps {
		w.happens()
	}
	w.rest()
	return w.stats, nil
}

// TestSimulation runs 10,000 steps.
func TestSimulation(t *testing.T) {
	if *oneSeed != 0 {
		s, err := run(*oneSeed, *seedSteps)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", s)
		return
	}
	begin := time.Now()
	var sum stats
	for seed := uint64(1); sum.steps < testSteps; seed++ {
		s, err := run(seed, stepsPerSeed)
		if err != nil {
			t.Fatal(err)
		}
		sum = add(sum, s)
	}
	t.Logf("in %s: %s", time.Since(begin).Round(time.Millisecond), sum)
}

// TestSameSeed: a seed is one history, or no failure could be looked at twice.
func TestSameSeed(t *testing.T) {
	first, err := run(11, 600)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := run(11, 600); err != nil || second.String() != first.String() {
		t.Errorf("twice the same seed: %v\n%s\n%s", err, first, second)
	}
}

// TestSoak runs -soak steps with seeds that no other test uses, and tells every
// ten seconds how far it is ("make soak").
func TestSoak(t *testing.T) {
	if *soakSteps == 0 {
		t.Skip("asked for by -soak STEPS only: TestSimulation runs 10,000")
	}
	begin := time.Now()
	told := begin
	var sum stats
	seed := *firstSeed
	for ; sum.steps < *soakSteps; seed++ {
		s, err := run(seed, 2*stepsPerSeed)
		if err != nil {
			t.Fatal(err)
		}
		sum = add(sum, s)
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Printf("%6.0f s  seed %d  %s\n", time.Since(begin).Seconds(), seed, sum)
		}
	}
	fmt.Printf("soak: %d seeds in %s: %s; violations=0\n", seed-*firstSeed, time.Since(begin).Round(time.Second), sum)
}
