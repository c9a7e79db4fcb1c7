package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/olmoe-serving/olmoe-operator/internal/plot"
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
		files[name+"-nodes.svg"] = c.nodesPlot().SVG()
		files[name+"-response.svg"] = c.responsePlot(o.bound.Seconds() * 1e3).SVG()
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
func (c *comparison) lines(which []int, of func([]float64) float64, values func(*poolsim.Tuned) []float64) (out []plot.Line) {
	for _, i := range which {
		if i >= len(c.policies) {
			continue
		}
		l := thin(values(c.policies[i]), of)
		l.Name, l.Colour = c.policies[i].Name, plot.Palette[i%len(plot.Palette)]
		out = append(out, l)
	}
	return out
}

func (c *comparison) nodesPlot() *plot.Chart {
	p := &plot.Chart{Title: fmt.Sprintf("Expert nodes over a day (%s, %d at the regular peak), at equal latency", c.trace.Name, c.peak),
		XLabel: "hour", YLabel: "nodes", XMax: 24, XStep: 3}
	p.Lines = c.lines(nodesOf, mean, func(t *poolsim.Tuned) []float64 {
		y := make([]float64, len(t.Nodes))
		for i, n := range t.Nodes {
			y[i] = float64(n)
		}
		return y
	})
	return p
}

func (c *comparison) responsePlot(bound float64) *plot.Chart {
	p := &plot.Chart{Title: fmt.Sprintf("Response of the busiest node (%s, %d nodes): worst 5 s of each 10 minutes", c.trace.Name, c.peak),
		XLabel: "hour", YLabel: "ms for a layer", XMax: 24, XStep: 3, YMax: 3 * bound, Bound: bound, BoundName: "bound, for 99 % of tokens"}
	p.Lines = c.lines(responseOf, largest, func(t *poolsim.Tuned) []float64 {
		y := make([]float64, len(t.Response))
		for i, r := range t.Response {
			y[i] = 1e3 * r
		}
		return y
	})
	return p
}

// thin makes one point of each ten minutes.
func thin(y []float64, of func([]float64) float64) plot.Line {
	const group = 600 / poolsim.Slot
	var l plot.Line
	for i := 0; i < len(y); i += group {
		l.X = append(l.X, (float64(i)+group/2)*poolsim.Slot/3600)
		l.Y = append(l.Y, of(y[i:min(i+group, len(y))]))
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
	c := plot.Bars{Title: "Node-hours of a day at equal latency, ours = 100 %", YLabel: "% of ours", YMin: 100}
	for _, p := range all[0].policies {
		c.Names = append(c.Names, p.Name)
	}
	for _, one := range all {
		g := plot.Group{Labels: []string{one.trace.Name, strconv.Itoa(one.peak)}}
		for _, p := range one.policies {
			g.Values = append(g.Values, 100*p.NodeHours/one.policies[0].NodeHours)
		}
		c.Groups = append(c.Groups, g)
	}
	return c.SVG()
}
