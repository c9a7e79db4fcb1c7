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
func draw(dir string, all []*comparison) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{"scaling-node-hours.svg": hoursChart(all)}
	for _, c := range all {
		if !c.drawn() {
			continue
		}
		name := fmt.Sprintf("scaling-%s-%d", c.Setup.Trace, c.Setup.Peak)
		files[name+"-nodes.svg"] = c.nodesPlot().SVG()
		files[name+"-response.svg"] = c.responsePlot(c.Setup.Bound.Seconds() * 1e3).SVG()
	}
	for name, svg := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// drawn says whether the day's course is drawn: those of all kinds of traffic.
func (c *comparison) drawn() bool { return c.Setup.Trace == "all" && isDocumented(c.Setup) }

// The policies of the plots, by their place in poolsim.Ladders: more would hide each
// other.
var (
	nodesOf    = []int{poolsim.HPAQueue, poolsim.HPACPU, poolsim.HPACPUBalanced, poolsim.ExpertLoad}
	responseOf = []int{poolsim.HPACPU, poolsim.ExpertLoad}
	hoursOf    = []int{poolsim.ExpertLoad, poolsim.Defaults, poolsim.HPACPU, poolsim.HPAQueue, poolsim.HPACPUBalanced, poolsim.HPAQueueBalanced, poolsim.Fixed}
)

// lines are those of the given policies, each of a day, one point for ten minutes.
func (c *comparison) lines(which []int, of func([]float64) float64, values func(*poolsim.Result) []float64) (out []plot.Line) {
	for _, i := range which {
		l := thin(values(c.Policies[i].Days[0]), of)
		l.Name, l.Colour = c.Policies[i].Name, plot.Palette[i%len(plot.Palette)]
		out = append(out, l)
	}
	return out
}

func (c *comparison) nodesPlot() *plot.Chart {
	p := &plot.Chart{Title: fmt.Sprintf("Expert nodes over a day (%s, %d at the regular peak), at equal latency", c.Setup.Trace, c.Setup.Peak),
		XLabel: "hour", YLabel: "nodes", XMax: 24, XStep: 3}
	p.Lines = c.lines(nodesOf, mean, nodes)
	ahead := thin(nodes(c.Ahead.Days[0]), mean)
	ahead.Name, ahead.Colour = c.Ahead.Name, plot.Palette[len(plot.Palette)-1]
	p.Lines = append(p.Lines, ahead)
	return p
}

func nodes(r *poolsim.Result) []float64 {
	y := make([]float64, len(r.Nodes))
	for i, n := range r.Nodes {
		y[i] = float64(n)
	}
	return y
}

func (c *comparison) responsePlot(bound float64) *plot.Chart {
	p := &plot.Chart{Title: fmt.Sprintf("Response of the busiest node (%s, %d nodes): worst 5 s of each 10 minutes", c.Setup.Trace, c.Setup.Peak),
		XLabel: "hour", YLabel: "ms for a layer", XMax: 24, XStep: 3, YMax: 3 * bound, Bound: bound, BoundName: "bound, for 99 % of tokens"}
	p.Lines = c.lines(responseOf, largest, func(t *poolsim.Result) []float64 {
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
// comparison. The last bar is what no policy can do without. Policies have the colours
// that they have in the other plots.
func hoursChart(all []*comparison) string {
	c := plot.Bars{Title: "Node-hours of a day at equal latency, ours = 100 %", YLabel: "% of ours", YMin: 100}
	for _, i := range hoursOf {
		c.Names = append(c.Names, all[0].Policies[i].Name)
	}
	c.Names = append(c.Names, "at least")
	for _, one := range all {
		if !isDocumented(one.Setup) {
			continue
		}
		ours := one.ours().NodeHours()
		g := plot.Group{Labels: []string{one.Setup.Trace, strconv.Itoa(one.Setup.Peak)}}
		for _, i := range hoursOf {
			g.Values = append(g.Values, 100*one.Policies[i].NodeHours()/ours)
		}
		g.Values = append(g.Values, 100*one.Least/ours)
		c.Groups = append(c.Groups, g)
	}
	return c.SVG()
}
