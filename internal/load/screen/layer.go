package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// hotExperts is how many of a layer's experts are listed.
const hotExperts = 8

// oneLayer shows a layer on every node, and its hottest experts in numbers.
func oneLayer(r *load.Report, o Options) []string {
	rows := load.Rows(r.Nodes)[o.Layer]
	sum, _ := hottest(rows)
	lines := []string{clip(fmt.Sprintf("layer %d: balancedness %.2f   %s", o.Layer, r.Summary.Balancedness[o.Layer], legend), o.Width)}
	columns := stripColumns(o.Width-minName-1, len(rows))
	label := min(maxName, o.Width-columns-1)
	line := func(name string, values []float64) {
		lines = append(lines, tail(name, label)+" "+strip(values, sum/float64(len(rows)), columns, o.Colour))
	}
	line("all", rows)
	for _, n := range r.Nodes {
		line(n.Name, load.Rows([]*load.Node{n})[o.Layer])
	}
	return append(lines, hotTable(r, o, rows, sum)...)
}

// hotTable lists the layer's hottest experts.
func hotTable(r *load.Report, o Options, rows []float64, sum float64) []string {
	order := make([]int, len(rows))
	for e := range order {
		order[e] = e
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rows[b], rows[a]) })
	lines := []string{clip(fmt.Sprintf("%6s %7s %7s %10s %7s %9s  %s", "EXPERT", "SHARE", "x MEAN", "ROWS/BATCH", "BUSY", "QUEUE MS", "ON"), o.Width)}
	for _, e := range order[:min(hotExperts, len(order))] {
		if rows[e] > 0 {
			lines = append(lines, clip(hotLine(r, o.Layer, e, rows[e]/sum, len(rows)), o.Width))
		}
	}
	return lines
}

// hotLine is of an expert that has had rows; of batches its nodes may tell anything.
func hotLine(r *load.Report, layer, e int, share float64, experts int) string {
	var rows, batches, queue uint64
	busy := 0.0
	var on []string
	for _, n := range r.Nodes {
		if n.Rows[layer][e] == 0 {
			continue
		}
		rows += n.Rows[layer][e]
		batches += n.Activations[layer][e]
		queue += n.QueueNs[layer][e]
		busy += n.PerSecond(float64(n.BusyNs[layer][e]) / 1e9)
		on = append(on, n.Name)
	}
	return fmt.Sprintf("%6d %5.1f %% %7.1f %10.1f %5.1f %% %9s  %s", e, 100*share, share*float64(experts), float64(rows)/float64(max(1, batches)),
		100*busy, number(float64(queue)/float64(rows)/1e6), strings.Join(on, " "))
}
