package screen

import (
	"fmt"
	"slices"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// levels of a strip: how many times the layer's mean an expert has at most. The
// hot ones stand out by height, and by colour where there is one.
var levels = []struct {
	below  float64
	mark   string
	colour string
}{
	{0.25, "▁", dim}, {0.5, "▂", ""}, {0.75, "▃", ""}, {1.25, "▄", ""}, {1.5, "▅", ""}, {2, "▆", ""}, {4, "▇", yellow},
}

const legend = "·0 ▁<¼ ▂<½ ▃<¾ ▄~1 ▅>1¼ ▆>1½ ▇>2 █>4 x mean"

// strip draws the experts of a layer in at most so many columns: one or more for
// each, or one for the largest of several where they do not fit.
func strip(values []float64, mean float64, columns int, colour bool) string {
	together, repeat := fit(len(values), columns)
	var b strings.Builder
	for group := range slices.Chunk(values, together) {
		b.WriteString(mark(slices.Max(group), mean, repeat, colour))
	}
	return b.String()
}

// fit says how many experts share a mark, and how many columns a mark has.
func fit(experts, columns int) (together, repeat int) {
	return (experts + columns - 1) / columns, max(1, columns/experts)
}

func mark(value, mean float64, repeat int, colour bool) string {
	draw := func(mark, shade string) string { return paint(strings.Repeat(mark, repeat), shade, colour) }
	if value <= 0 || mean <= 0 {
		return draw("·", dim)
	}
	for _, l := range levels {
		if value < l.below*mean {
			return draw(l.mark, l.colour)
		}
	}
	return draw("█", red)
}

// afterStrip is the room for what follows a strip: balancedness, hottest expert.
const afterStrip = 12

// layerStrips is a line for each layer: its experts, balancedness, hottest expert.
func layerStrips(r *load.Report, o Options) []string {
	const label = 4
	columns := stripColumns(o.Width-label-afterStrip, r.Nodes[0].Experts())
	wide := o.Width >= label+columns+afterStrip+8
	head := fmt.Sprintf("  L %s  BAL HOT", pad("experts: "+legend, columns))
	lines := []string{clip(head, o.Width)}
	for l, layer := range load.Rows(r.Nodes) {
		sum, hot := hottest(layer)
		line := fmt.Sprintf("%3d %s %.2f", l, strip(layer, sum/float64(len(layer)), columns, o.Colour), r.Summary.Balancedness[l])
		if sum > 0 {
			line += fmt.Sprintf(" e%d", hot)
		}
		if sum > 0 && wide {
			line += fmt.Sprintf(" %.1fx", layer[hot]/sum*float64(len(layer)))
		}
		lines = append(lines, line)
	}
	return lines
}

// hottest is a layer's sum and the first of its largest experts.
func hottest(layer []float64) (sum float64, hot int) {
	for e, v := range layer {
		sum += v
		if v > layer[hot] {
			hot = e
		}
	}
	return sum, hot
}

// stripColumns is the length of a strip where there is room for so much: those of
// OLMoE's 64 experts, or more where there are more.
func stripColumns(room, experts int) int {
	columns := min(room, max(64, experts))
	together, repeat := fit(experts, columns)
	return (experts + together - 1) / together * repeat
}
