package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// draw writes one chart of all node-hours, and, for each day of all kinds of
// traffic, its nodes and responses.
func draw(dir string, all []*comparison, o options) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{"scaling-node-hours.svg": hoursChart(all)}
	for i := range all {
		c := all[i]
		if c.trace.Name != "all" {
			continue
		}
		name := fmt.Sprintf("scaling-%s-%d", c.trace.Name, c.peak)
		files[name+"-nodes.svg"] = c.nodesPlot().svg()
		files[name+"-response.svg"] = c.responsePlot(o.bound.Seconds() * 1e3).svg()
	}
	for name, svg := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// The policies of the plots of a day, by their place in poolsim.Ladders: more lines
// would hide each other.
var (
	nodesOf    = []int{6, 3, 2, 4, 0}
	responseOf = []int{2, 0}
)

// lines are those of the given policies, each of a day, one point for ten minutes.
func (c *comparison) lines(which []int, of func([]float64) float64, values func(*poolsim.Tuned) []float64) (out []line) {
	for _, i := range which {
		if i >= len(c.policies) {
			continue
		}
		l := thin(values(c.policies[i]), of)
		l.name, l.colour = c.policies[i].Name, palette[i%len(palette)]
		out = append(out, l)
	}
	return out
}

func (c *comparison) nodesPlot() *plot {
	p := &plot{title: fmt.Sprintf("Expert nodes over a day (%s, %d at the regular peak), at equal latency", c.trace.Name, c.peak),
		xLabel: "hour", yLabel: "nodes", xMax: 24, xStep: 3}
	p.lines = c.lines(nodesOf, mean, func(t *poolsim.Tuned) []float64 {
		y := make([]float64, len(t.Nodes))
		for i, n := range t.Nodes {
			y[i] = float64(n)
		}
		return y
	})
	return p
}

func (c *comparison) responsePlot(bound float64) *plot {
	p := &plot{title: fmt.Sprintf("Response of the busiest node (%s, %d nodes): worst 5 s of each 10 minutes", c.trace.Name, c.peak),
		xLabel: "hour", yLabel: "ms for a layer", xMax: 24, xStep: 3, yMax: 3 * bound, bound: bound, boundName: "bound, for 99 % of tokens"}
	p.lines = c.lines(responseOf, largest, func(t *poolsim.Tuned) []float64 {
		y := make([]float64, len(t.Response))
		for i, r := range t.Response {
			y[i] = 1e3 * r
		}
		return y
	})
	return p
}

// thin makes one point of each ten minutes.
func thin(y []float64, of func([]float64) float64) line {
	const group = 600 / poolsim.Slot
	var l line
	for i := 0; i < len(y); i += group {
		l.x = append(l.x, (float64(i)+group/2)*poolsim.Slot/3600)
		l.y = append(l.y, of(y[i:min(i+group, len(y))]))
	}
	return l
}

func mean(s []float64) (m float64) {
	for _, v := range s {
		m += v / float64(len(s))
	}
	return m
}

func largest(s []float64) (m float64) {
	for _, v := range s {
		m = max(m, v)
	}
	return m
}

// hoursChart shows node-hours as percentages of ours, a group of bars for each
// comparison.
func hoursChart(all []*comparison) string {
	var b strings.Builder
	open(&b, "Node-hours of a day at equal latency, ours = 100 %")
	var top100 float64 = 100
	for i := range all {
		for _, p := range all[i].policies {
			top100 = max(top100, 100*p.NodeHours/all[i].policies[0].NodeHours)
		}
	}
	step := niceStep(top100)
	yMax := float64(int(top100/step)+1) * step
	horizontal(&b, yMax, step, "% of ours")
	group := float64(innerW) / float64(len(all))
	for i := range all {
		c := all[i]
		bar := group * 0.8 / float64(len(c.policies))
		for k, p := range c.policies {
			h := innerH * 100 * p.NodeHours / c.policies[0].NodeHours / yMax
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n",
				left+group*float64(i)+group*0.1+bar*float64(k), top+innerH-h, bar*0.92, h, palette[k%len(palette)])
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text><text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n",
			left+group*(float64(i)+.5), top+innerH+16, c.trace.Name, left+group*(float64(i)+.5), top+innerH+31, c.peak)
	}
	for k, p := range all[0].policies {
		legend(&b, k, p.Name, palette[k%len(palette)])
	}
	b.WriteString("</svg>\n")
	return b.String()
}
