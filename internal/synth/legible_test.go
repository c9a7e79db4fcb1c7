package synth

import "testing"

// Words are said as the model likes, pieces of words less, all else hardly at all.
func TestLegibleRows(t *testing.T) {
	b, err := newTokens(1024)
	if err != nil {
		t.Fatal(err)
	}
	rows := legibleRows(b, 1024)
	ids := map[string]int{}
	for i, s := range b.tokens {
		ids[s] = leadingTokens + i
	}
	for s, want := range map[string]float64{"Ġthe": 1, ".": 1, "ing": pieceLength, "Ġth": pieceLength, "Ā": otherLength, "Ã": otherLength} {
		if id, ok := ids[s]; !ok || rows[id] != want {
			t.Errorf("%q (a token: %v): factor %v, want %v", s, ok, rows[id], want)
		}
	}
	for _, id := range []int{0, 1, 1023} {
		if rows[id] != otherLength {
			t.Errorf("token %d, which is special: factor %v, want %v", id, rows[id], otherLength)
		}
	}
}
