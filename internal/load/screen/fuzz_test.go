package screen

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// Whatever a report says, drawing it neither fails nor leaves the screen.
func FuzzRender(f *testing.F) {
	fast := pool(1, 8)
	fast.Nodes[0].Seconds = 1e-9 // so rates are longer than their columns
	for _, r := range []*load.Report{fast, pool(2, 8), pool(1, 256), load.NewReport(nil, []load.Fault{{Node: "a", Error: "\x1b[2J"}})} {
		b, err := json.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 80, 24, -1)
		f.Add(b, 200, 5, 7)
		f.Add(b, 20, 5, 0)
	}
	f.Fuzz(func(t *testing.T, report []byte, width, height, layer int) {
		r, err := load.Decode(bytes.NewReader(report))
		if err != nil {
			return
		}
		width, height = min(max(width, 1), 500), min(max(height, 1), 200)
		lines := Render(r, Options{Width: width, Height: height, Layer: max(layer, -1)})
		if len(lines) > height {
			t.Errorf("%d lines, height %d", len(lines), height)
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > width || bytes.ContainsAny([]byte(line), "\x00\x1b\n\r") {
				t.Errorf("line %q at width %d", line, width)
			}
		}
	})
}
