package dispatch

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p pace
	if got := p.late(8); got != 0 {
		t.Errorf("late after %s before the first answer", got)
	}
	for i := range paceSamples {
		took := 30 * time.Millisecond
		if i%50 == 0 { // 2 %: beyond the percentile
			took = time.Second
		}
		p.answered(8, took)
	}
	tests := []struct {
		name  string
		pairs int
		want  time.Duration
	}{
		{"the class itself", 8, 60 * time.Millisecond},
		{"twice as large: scaled", 16, 120 * time.Millisecond},
		{"eight times as large", 64, 480 * time.Millisecond},
		{"smaller: a larger class's", 1, 60 * time.Millisecond},
	}
	for _, tt := range tests {
		if got := p.late(tt.pairs); got != tt.want {
			t.Errorf("%s: late after %s, want %s", tt.name, got, tt.want)
		}
	}
	for i := range paceSamples { // every tenth is held up by something else
		took := 5 * time.Millisecond
		if i%10 == 0 {
			took = time.Second
		}
		p.answered(2, took)
	}
	if got, want := p.late(2), paceMedians*5*time.Millisecond; got != want {
		t.Errorf("on a machine with too much work: late after %s, want %s", got, want)
	}
	for range paceSamples {
		p.answered(1, time.Microsecond)
	}
	if got := p.late(1); got != paceFloor {
		t.Errorf("late after %s, want the floor of %s", got, paceFloor)
	}
	p.answered(65535, time.Second) // the largest frame has a class
}
