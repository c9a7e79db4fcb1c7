// Package plot draws small charts as SVG. Their colours are readable on white and
// on black and by colour-blind readers; the rest follows the reader's preference.
package plot

import (
	"fmt"
	"math"
	"strings"
)

// Chart is a line chart.
type Chart struct {
	Title, XLabel, YLabel string
	XMax, XStep           float64
	YMax                  float64 // 0: from the data
	Lines                 []Line
	Bound                 float64 // a horizontal line; 0: none
	BoundName             string
}

// Line is one line of a chart: points (X[i], Y[i]), X ascending.
type Line struct {
	Name   string
	Colour string // "": the palette's, by the line's place
	X, Y   []float64
	Points bool // show where the points are: for few of them
}

const (
	width, height            = 760, 400
	left, right, top, bottom = 64, 16, 40, 110
	innerW, innerH           = width - left - right, height - top - bottom
)

// Palette is Okabe and Ito's, told apart by colour-blind readers too.
var Palette = []string{"#009e73", "#d55e00", "#0072b2", "#e69f00", "#cc79a7", "#8a8a8a", "#56b4e9", "#7a5195"}

const style = `<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}
.back{fill:#ffffff}.grid{stroke:#d8dee4}.axis{stroke:#57606a}.bound{stroke:#cf222e;stroke-dasharray:6 4}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117}.grid{stroke:#30363d}.axis{stroke:#8b949e}.bound{stroke:#ff7b72}}
</style>
`

// SVG draws the chart.
func (c *Chart) SVG() string {
	var b strings.Builder
	open(&b, c.Title)
	yMax := c.YMax
	if yMax == 0 {
		for _, l := range c.Lines {
			for _, y := range l.Y {
				yMax = max(yMax, y)
			}
		}
	}
	step := niceStep(yMax)
	yMax = max(1, math.Ceil(yMax/step)) * step
	c.axes(&b, yMax, step)
	for i, l := range c.Lines {
		if l.Colour == "" {
			l.Colour = Palette[i%len(Palette)]
		}
		c.draw(&b, l, yMax)
		legend(&b, i, l.Name, l.Colour)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func open(b *strings.Builder, title string) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, title)
	b.WriteString(style)
	fmt.Fprintf(b, `<rect class="back" width="%d" height="%d"/>`+"\n", width, height)
	fmt.Fprintf(b, `<text class="title" x="%d" y="22">%s</text>`+"\n", left, title)
}

// axes draws grid, ticks and labels.
func (c *Chart) axes(b *strings.Builder, yMax, step float64) {
	horizontal(b, yMax, step, c.YLabel)
	for x := 0.0; x <= c.XMax+1e-9; x += c.XStep {
		at := left + innerW*x/c.XMax
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n",
			at, top, at, top+innerH, at, top+innerH+17, x)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", left+innerW/2, top+innerH+36, c.XLabel)
	fmt.Fprintf(b, `<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", left, top+innerH, left+innerW, top+innerH)
	if c.Bound > 0 {
		y := top + innerH*(1-c.Bound/yMax)
		fmt.Fprintf(b, `<line class="bound" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y, left+innerW, y, left+innerW-4, y-5, c.BoundName)
	}
}

// horizontal draws the grid of the y axis and its label.
func horizontal(b *strings.Builder, yMax, step float64, label string) {
	for y := 0.0; y <= yMax+1e-9; y += step {
		at := top + innerH*(1-y/yMax)
		fmt.Fprintf(b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`+"\n",
			left, at, left+innerW, at, left-7, at+4, math.Round(y*1e6)/1e6)
	}
	fmt.Fprintf(b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+innerH/2, label)
}

func (c *Chart) draw(b *strings.Builder, l Line, yMax float64) {
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="1.8" stroke-linejoin="round" points="`, l.Colour)
	for i := range l.X {
		y := min(l.Y[i], yMax)
		fmt.Fprintf(b, "%.1f,%.1f ", left+innerW*l.X[i]/c.XMax, top+innerH*(1-y/yMax))
	}
	b.WriteString("\"/>\n")
	if !l.Points {
		return
	}
	for i := range l.X {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n",
			left+innerW*l.X[i]/c.XMax, top+innerH*(1-min(l.Y[i], yMax)/yMax), l.Colour)
	}
}

// legend writes name i below the axis, three in a row.
func legend(b *strings.Builder, i int, name, colour string) {
	x, y := left+(i%3)*232, height-52+(i/3)*20
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="14" height="4" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", x, y-6, colour, x+19, y, name)
}

// niceStep is 1, 2 or 5 times a power of ten, for about five ticks.
func niceStep(largest float64) float64 {
	if largest <= 0 {
		return 1
	}
	raw := largest / 5
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if raw <= m*power {
			return m * power
		}
	}
	return 10 * power
}
