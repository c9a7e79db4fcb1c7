package simulation

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
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

func add(a, b stats) stats {
	writes := maps.Clone(b.writes)
	for k, n := range a.writes {
		writes[k] += n
	}
	return stats{
		a.steps + b.steps, a.rounds + b.rounds, a.crashes + b.crashes, a.documents + b.documents, a.rebalances + b.rebalances,
		a.scalings + b.scalings, a.calls + b.calls, a.restarted + b.restarted, a.waits + b.waits, a.faults + b.faults, a.losses + b.losses, a.specs + b.specs, a.urgent + b.urgent, a.partings + b.partings, a.reversals + b.reversals, a.restRounds + b.restRounds, writes,
	}
}

func (s stats) String() string {
	text := fmt.Sprintf("%d steps: %d rounds of the operator, %d crashes, %d documents, %d rebalances, %d scalings, %d calls, %d started over, %d waits, %d faults, %d losses of the record, %d specs, %d urgent targets, %d partings, %d reversals, %d rounds to rest; writes:",
		s.steps, s.rounds, s.crashes, s.documents, s.rebalances, s.scalings, s.calls, s.restarted, s.waits, s.faults, s.losses, s.specs, s.urgent, s.partings, s.reversals, s.restRounds)
	for _, k := range slices.Sorted(maps.Keys(s.writes)) {
		text += fmt.Sprintf(" %s %d", k, s.writes[k])
	}
	return text
}
