package bench

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/olmoe-serving/olmoe-operator/internal/plot"
)

// Plots draws how the cost of a token grows with the batch, the context and the
// number of expert nodes: performance-*.svg in dir. Curves without points are left
// out.
func Plots(dir string, r *Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // plots are for everybody
		return err
	}
	for name, c := range map[string]*plot.Chart{
		"batch": batchChart(r.Results), "context": contextChart(r.Contexts), "nodes": nodesChart(r.Nodes),
	} {
		if len(c.Lines) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "performance-"+name+".svg"), []byte(c.SVG()), 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// batchChart shows all sequences' tokens per second, and what the machine allows.
func batchChart(results []Result) *plot.Chart {
	c := &plot.Chart{Title: "Decode: tokens per second by batch", XLabel: "sequences at once", YLabel: "tokens/s", XStep: 4}
	got, limit := plot.Line{Name: "measured", Points: true}, plot.Line{Name: "the machine's limit", Points: true}
	for _, r := range results {
		if r.Name == "decode" {
			add(c, &got, r.Batch, r.TokensPerSecond)
			add(c, &limit, r.Batch, r.TokensPerSecond/r.FractionOfLimit)
		}
	}
	c.Lines = drawn(got, limit)
	return c
}

// contextChart shows the time between two tokens of one sequence.
func contextChart(results []Result) *plot.Chart {
	c := &plot.Chart{Title: "Decode of one sequence: time of a token by context", XLabel: "positions before it", YLabel: "ms", XStep: 512}
	got, limit := plot.Line{Name: "measured", Points: true}, plot.Line{Name: "the machine's limit", Points: true}
	for _, r := range results {
		add(c, &got, r.Context, 1e3*r.SecondsP50)
		add(c, &limit, r.Context, 1e3*r.SecondsP50*r.FractionOfLimit)
	}
	c.Lines = drawn(got, limit)
	return c
}

// nodesChart shows tokens per second by the number of processes on one machine:
// what being split costs, since the machine gets no faster by it.
func nodesChart(results []Result) *plot.Chart {
	c := &plot.Chart{Title: "Decode on one machine: tokens per second by expert nodes", XLabel: "expert-node processes", YLabel: "tokens/s", XStep: 1}
	for _, batch := range nodeBatches {
		l := plot.Line{Name: fmt.Sprintf("batch %d", batch), Points: true}
		for _, r := range results {
			if r.Batch == batch {
				add(c, &l, r.Nodes, r.TokensPerSecond)
			}
		}
		c.Lines = append(c.Lines, drawn(l)...)
	}
	return c
}

func add(c *plot.Chart, l *plot.Line, x int, y float64) {
	l.X, l.Y = append(l.X, float64(x)), append(l.Y, y)
	c.XMax = max(c.XMax, float64(x))
}

// drawn are the lines that have points.
func drawn(lines ...plot.Line) (some []plot.Line) {
	for _, l := range lines {
		if len(l.X) > 0 {
			some = append(some, l)
		}
	}
	return some
}
