package poolsim

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzReadTexts: whatever the file, it is refused, or each of its kinds of text has a
// probability for each expert of each layer.
func FuzzReadTexts(f *testing.F) {
	row := make([]float64, Experts)
	for _, count := range []float64{1, 0, -1, 1e308} {
		for e := range row {
			row[e] = count
		}
		raw, err := json.Marshal(map[string]map[string][]float64{"kind": {"0": row}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		texts, err := ReadTexts(bytes.NewReader(raw))
		if err == nil && len(texts) == 0 {
			t.Error("no text and no error")
		}
		for _, text := range texts {
			for l, row := range text {
				for e, p := range row {
					if !(p >= 0 && p <= 1) || len(row) != Experts || len(text) != Layers {
						t.Fatalf("layer %d of %d, expert %d of %d: %v", l, len(text), e, len(row), p)
					}
				}
			}
		}
	})
}
