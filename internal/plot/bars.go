package plot

import (
	"fmt"
	"strings"
)

// Bars is a chart of groups of bars, one bar of a group for each name.
type Bars struct {
	Title, YLabel string
	YMin          float64 // the axis reaches at least so far
	Names         []string
	Groups        []Group
}

// Group is bars side by side, labelled with up to two lines.
type Group struct {
	Labels []string
	Values []float64 // by name
}

// SVG draws the chart.
func (c *Bars) SVG() string {
	var b strings.Builder
	open(&b, c.Title)
	most := c.YMin
	for _, g := range c.Groups {
		for _, v := range g.Values {
			most = max(most, v)
		}
	}
	step := niceStep(most)
	yMax := float64(int(most/step)+1) * step
	horizontal(&b, yMax, step, c.YLabel)
	for i := range c.Groups {
		c.group(&b, i, yMax)
	}
	for k, name := range c.Names {
		legend(&b, k, name, Palette[k%len(Palette)])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c *Bars) group(b *strings.Builder, i int, yMax float64) {
	g, wide := c.Groups[i], float64(innerW)/float64(len(c.Groups))
	at, bar := left+wide*float64(i), wide*0.8/float64(len(g.Values))
	for k, v := range g.Values {
		h := innerH * v / yMax
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n",
			at+wide*0.1+bar*float64(k), top+innerH-h, bar*0.92, h, Palette[k%len(Palette)])
	}
	for k, label := range g.Labels {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, at+wide/2, top+innerH+16+15*k, label)
	}
	b.WriteString("\n")
}
