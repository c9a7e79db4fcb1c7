package dispatch

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/olmoe-serving/olmoe-operator/internal/wire"
)

// An answer is progress: MaxWait counts from it, not from the call's start, and how
// long it took is what the metric and the measure of lateness learn.
func TestAnAnswerIsProgress(t *testing.T) {
	const ago, took = time.Hour, time.Minute
	d := router(t, nil)
	c := newCall(d)
	begun := time.Now()
	c.since = begun.Add(-ago)
	if err := c.finish(&shard{call: c, node: &node{d: d, name: "a"}, sent: begun.Add(-took), reply: wire.NewIn()}); err != nil {
		t.Fatal(err)
	}
	if end := c.deadline(); end.Before(begun.Add(d.opts.MaxWait)) {
		t.Errorf("the call gives up %s after the answer, want %s", end.Sub(begun), d.opts.MaxWait)
	}
	var m dto.Metric
	_ = d.metrics.roundTrip.Write(&m)
	if got := m.Histogram.GetSampleSum(); got < took.Seconds() {
		t.Errorf("the metric has a round trip of %g s, want %g s", got, took.Seconds())
	}
	if got := d.pace.classes[0].recent[0]; got < took {
		t.Errorf("lateness is learnt from a round trip of %s, want %s", got, took)
	}
}
