package load

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

var start = time.Unix(1_700_000_000, 0)

func after(d time.Duration) time.Time { return start.Add(d) }

// What is counted of a batch: rows, activations, waits as they are, and the time
// by the cost model: readRows + rows.
func TestBatchIsCounted(t *testing.T) {
	m := NewMeter(2, 4, start)
	b := &Batch{
		Took:     (3*readRows + 8) * time.Millisecond,
		Groups:   []Group{{0, 1, 1, 5}, {0, 3, 5, 50}, {1, 0, 2, 7}},
		Requests: []Request{{0, 4, 30}, {0, 1, 10}, {1, 1, 7}},
	}
	m.Add(b)
	m.Add(b)
	c := m.Total()
	for _, tt := range []struct {
		what      string
		got, want uint64
	}{
		{"rows of 0.1", c.Rows[0][1], 2}, {"rows of 0.3", c.Rows[0][3], 10}, {"rows of 1.0", c.Rows[1][0], 4}, {"rows of 1.1", c.Rows[1][1], 0},
		{"activations of 0.3", c.Activations[0][3], 2}, {"activations of 0.0", c.Activations[0][0], 0},
		{"busy of 0.1", c.BusyNs[0][1], 2 * (readRows + 1) * 1e6}, {"busy of 0.3", c.BusyNs[0][3], 2 * (readRows + 5) * 1e6},
		{"queue of 0.3", c.QueueNs[0][3], 100}, {"queue of 1.0", c.QueueNs[1][0], 14},
		{"tokens of 0", c.Tokens[0], 10}, {"tokens of 1", c.Tokens[1], 2}, {"requests of 0", c.Requests[0], 4},
		{"request queue of 0", c.RequestQueueNs[0], 80}, {"request queue of 1", c.RequestQueueNs[1], 14},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, tt.got, tt.want)
		}
	}
	if c.Busy() != 2*b.Took {
		t.Errorf("busy %s, want %s", c.Busy(), 2*b.Took)
	}
	if c.MeanQueue() != 94/6 {
		t.Errorf("mean queue %d ns, want %d", c.MeanQueue(), 94/6)
	}
}

// The parts of a batch's time add up to it, to the nanosecond, and nobody's part
// is further than that from its proportion.
func TestSharesAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		b := &Batch{Took: time.Duration(rng.Int64N(1 << rng.IntN(40)))}
		cost := 0.0
		for range 1 + rng.IntN(1024) {
			b.Groups = append(b.Groups, Group{Rows: 1 + rng.IntN(1<<rng.IntN(10))})
			cost += readRows + float64(b.Groups[len(b.Groups)-1].Rows)
		}
		var s shares
		s.init(b)
		sum := uint64(0)
		for i := range b.Groups {
			part := s.next(&b.Groups[i])
			want := float64(b.Took) * (readRows + float64(b.Groups[i].Rows)) / cost
			if d := float64(part) - want; d > 1 || d < -1 {
				t.Fatalf("a part of %d ns, its proportion is %.1f", part, want)
			}
			sum += part
		}
		if sum != uint64(b.Took) {
			t.Fatalf("parts add up to %d ns, the batch took %d", sum, b.Took)
		}
	}
}

func TestMeterWindow(t *testing.T) {
	m := NewMeter(1, 2, start)
	batch := &Batch{Took: time.Millisecond, Groups: []Group{{0, 1, 3, 0}}}
	for s := 1; s <= 30; s++ {
		m.Add(batch)
		m.Tick(after(time.Duration(s) * time.Second))
	}
	m.Add(batch)
	c, covered := m.Window(after(30500*time.Millisecond), 10*time.Second)
	if covered != 10500*time.Millisecond || c.Rows[0][1] != 33 || c.Busy() != 11*time.Millisecond {
		t.Errorf("window: %s, %d rows, busy %s; want 10.5 s, 33 rows, 11 ms", covered, c.Rows[0][1], c.Busy())
	}
	if total := m.Total(); total.Rows[0][1] != 93 {
		t.Errorf("a window changed the total to %d rows", total.Rows[0][1])
	}
}

// Readers and the writer at once: run with -race.
func TestMeterIsSafe(t *testing.T) {
	m := NewMeter(4, 8, start)
	batch := &Batch{Took: 8, Groups: []Group{{1, 1, 1, 1}, {2, 2, 1, 1}}, Requests: []Request{{1, 1, 1}}}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for s := range 200 {
				m.Tick(after(time.Duration(s) * time.Second))
				if c, _ := m.Window(after(time.Duration(s)*time.Second), time.Minute); c.Rows[1][1] != c.Rows[2][2] {
					t.Error("half a batch was seen")
				}
			}
		})
	}
	for range 10000 {
		m.Add(batch)
	}
	wg.Wait()
	if n := m.Total().Rows[1][1]; n != 10000 {
		t.Errorf("%d rows counted, want 10000", n)
	}
}

// What counting costs the loop that computes, for a batch of so many experts.
func BenchmarkAdd(b *testing.B) {
	for _, groups := range []int{4, 32, 256} {
		batch := &Batch{Took: time.Millisecond, Requests: []Request{{0, 1, 1}}}
		for i := range groups {
			batch.Groups = append(batch.Groups, Group{Layer: i % 16, Expert: i / 16, Rows: 1})
		}
		b.Run(fmt.Sprint("groups=", groups), func(b *testing.B) {
			m := NewMeter(16, 64, start)
			for b.Loop() {
				m.Add(batch)
			}
		})
	}
}

// What a snapshot costs, once a second.
func BenchmarkTick(b *testing.B) {
	m := NewMeter(16, 64, start)
	at := start
	for b.Loop() {
		at = at.Add(time.Second)
		m.Tick(at)
	}
}
