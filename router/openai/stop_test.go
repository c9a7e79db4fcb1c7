package openai

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestStopMatcher(t *testing.T) {
	for _, c := range []struct {
		name    string
		stops   []string
		include bool
		pieces  []string
		out     []string // what each push gives, then what flush gives
		stop    string
	}{
		{"no stops: nothing is held", nil, false, []string{"ab", "c"}, []string{"ab", "c", ""}, ""},
		{"in one piece", []string{"END"}, false, []string{"abENDcd"}, []string{"ab"}, "END"},
		{"across pieces", []string{"END"}, false, []string{"aE", "N", "Dx"}, []string{"a", "", ""}, "END"},
		{"included", []string{"END"}, true, []string{"aE", "N", "Dx"}, []string{"a", "", "END"}, "END"},
		{"false alarm", []string{"END"}, false, []string{"aEN", "x"}, []string{"a", "ENx", ""}, ""},
		{"false alarm that begins another", []string{"ENE"}, false, []string{"EN", "N", "ENE"}, []string{"", "ENN", ""}, "ENE"},
		{"overlap with itself", []string{"aab"}, false, []string{"a", "a", "a", "b"}, []string{"", "", "a", ""}, "aab"},
		{"held at the end", []string{"END"}, false, []string{"xEN"}, []string{"x", "EN"}, ""},
		{"the earliest to be complete wins", []string{"abcd", "bc"}, false, []string{"abcd"}, []string{"a"}, "bc"},
		{"then the longest", []string{"c", "bc"}, false, []string{"abc"}, []string{"a"}, "bc"},
		{"characters stay whole", []string{"日本"}, false, []string{"x日", "語"}, []string{"x", "日語", ""}, ""},
		{"at the very start", []string{"x"}, false, []string{"x"}, []string{""}, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := stopMatcher{stops: c.stops, include: c.include}
			stop := ""
			for i, p := range c.pieces {
				out, s := m.push(p)
				if out != c.out[i] {
					t.Errorf("push %q gave %q, want %q", p, out, c.out[i])
				}
				stop = s
			}
			if stop != c.stop {
				t.Errorf("stop %q, want %q", stop, c.stop)
			}
			if out := m.flush(); c.stop == "" && out != c.out[len(c.pieces)] {
				t.Errorf("flush gave %q, want %q", out, c.out[len(c.pieces)])
			}
		})
	}
}

// For random texts, stops and cuts: the result is that of one character at a
// time, checked against the plain definition, and no piece ever gives out a
// character that is later taken back.
func TestStopMatcherDoesNotDependOnPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abc"[r.IntN(3)]
		}
		return string(b)
	}
	for trial := range 20_000 {
		text, stops := random(r.IntN(14)), []string{random(1 + r.IntN(4)), random(1 + r.IntN(4))}
		include := r.IntN(2) == 0
		wantText, wantStop := plainStop(text, stops, include)
		m, got, stop := stopMatcher{stops: stops, include: include}, "", ""
		for rest := text; rest != "" && stop == ""; {
			n := 1 + r.IntN(len(rest))
			var out string
			out, stop = m.push(rest[:n])
			got, rest = got+out, rest[n:]
		}
		if got += m.flush(); got != wantText || stop != wantStop {
			t.Fatalf("trial %d: text %q stops %q include %v: got %q %q, want %q %q", trial, text, stops, include, got, stop, wantText, wantStop)
		}
		if stop == "" || !include {
			for _, s := range stops {
				if strings.Contains(got, s) {
					t.Fatalf("trial %d: %q contains the stop string %q", trial, got, s)
				}
			}
		}
	}
}

// plainStop is the definition: the shortest beginning of text that ends in a
// stop string; of several, the longest stop string.
func plainStop(text string, stops []string, include bool) (out, stop string) {
	for end := 1; end <= len(text); end++ {
		for _, s := range stops {
			if strings.HasSuffix(text[:end], s) && len(s) > len(stop) {
				stop = s
			}
		}
		if stop != "" && include {
			return text[:end], stop
		}
		if stop != "" {
			return text[:end-len(stop)], stop
		}
	}
	return text, ""
}
