// Package screen draws the load of a pool as lines of text, for a terminal or a
// pipe.
package screen

import (
	"fmt"
	"slices"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// Options say how to draw.
type Options struct {
	Source string // where the report is from, for the heading
	Width  int    // columns; of less than MinWidth, lines for MinWidth are cut
	Height int    // lines; 0 = as many as it takes
	Colour bool   // ANSI colours
	Layer  int    // only this one, in detail; -1 = all
}

// MinWidth is the narrowest screen that is drawn for.
const MinWidth = 60

// Render draws a report: heading, nodes, then experts. No line is longer than
// the width, and there are at most Height of them.
func Render(r *load.Report, o Options) []string {
	if o.Width < MinWidth {
		return cut(r, o)
	}
	lines := heading(r, o)
	experts := o.experts(r)
	room := 0 // for nodes: all
	if o.Height > 0 {
		room = max(2, o.Height-len(lines)-1-len(experts))
	}
	lines = append(lines, nodeTable(r, o, room)...)
	lines = append(lines, experts...)
	if o.Height > 0 && len(lines) > o.Height {
		lines = append(lines[:o.Height-1], "… the window is too small for the rest")
	}
	return lines
}

// cut draws for MinWidth and cuts what is right of the width: a longer line would
// go on in the next and scroll the screen. It draws without colours, because a cut could
// leave half of a colour's escape sequence.
func cut(r *load.Report, o Options) []string {
	width := max(o.Width, 1)
	o.Width, o.Colour = MinWidth, false
	lines := Render(r, o)
	for i := range lines {
		lines[i] = clip(lines[i], width)
	}
	return lines
}

func (o Options) experts(r *load.Report) []string {
	switch {
	case len(r.Nodes) == 0:
		return nil
	case o.Layer < 0:
		return layerStrips(r, o)
	case o.Layer >= r.Nodes[0].Layers():
		return []string{fmt.Sprintf("there is no layer %d: the model has %d", o.Layer, r.Nodes[0].Layers())}
	}
	return oneLayer(r, o)
}

// heading is four lines: what is shown, and the answer to "is all well?".
func heading(r *load.Report, o Options) []string {
	s := &r.Summary
	covers := ""
	if s.Answered > 0 && s.Seconds < 0.9*r.WindowSeconds {
		covers = fmt.Sprintf(" (so far %.0f s)", s.Seconds)
	}
	lines := []string{
		fmt.Sprintf("olmoe top   %s   %d of %d nodes   window %.0f s%s", o.Source, s.Answered, s.Expected, r.WindowSeconds, covers),
		number(s.TokensPerSecond) + " tokens/s   " + balance(s.Balancedness),
		"no expert has had tokens",
		"no node",
	}
	if h := s.Hottest; h != nil {
		lines[2] = fmt.Sprintf("hottest expert: layer %d expert %d, %.1f %% of its layer, %.1f x the mean", h.Layer, h.Expert, 100*h.Share, h.TimesMean)
	}
	if b := s.Busiest; b != nil {
		lines[3] = fmt.Sprintf("busiest node: %s, %.0f %% busy, queue %s ms", b.Node, 100*b.Utilization, number(1e3*b.MeanQueueSeconds))
	}
	for i := range lines {
		lines[i] = clip(lines[i], o.Width)
	}
	return lines
}

func balance(list []float64) string {
	if len(list) == 0 {
		return "no balancedness"
	}
	sum := 0.0
	for _, b := range list {
		sum += b
	}
	lowest := slices.Min(list)
	return fmt.Sprintf("balancedness mean %.2f, lowest %.2f (layer %d)", sum/float64(len(list)), lowest, slices.Index(list, lowest))
}
