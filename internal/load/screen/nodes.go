package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// Columns of the table of nodes at MinWidth; what is wider goes to names and bars.
const (
	minName, maxName = 12, 40
	minBar, maxBar   = 4, 40
	otherColumns     = 48 // all but name and bar
)

// nodeTable has a heading and a line for each node, those that do not answer
// last; room > 0 bounds the lines after the heading. If not all fit, the busiest
// are shown.
func nodeTable(r *load.Report, o Options, room int) []string {
	name, bar := nodeColumns(r, o.Width)
	lines := []string{clip(fmt.Sprintf("%-*s %-*s %9s %5s %9s %7s %7s", name, "NODE", bar+5, "BUSY", "ROWS/S", "LOAD", "QUEUE MS", "WAITING", "EXPERTS"), o.Width)}
	var rows []string
	mean := meanRate(r.Nodes)
	nodes := slices.Clone(r.Nodes)
	if room > 0 && len(nodes)+len(r.Failed) > room {
		slices.SortStableFunc(nodes, func(a, b *load.Node) int { return cmp.Compare(b.Utilisation(), a.Utilisation()) })
	}
	for _, n := range nodes {
		rows = append(rows, nodeLine(n, mean, name, bar, o))
	}
	for _, f := range r.Failed {
		rows = append(rows, clip(fmt.Sprintf("%s %s", tail(f.Node, name), "no answer: "+f.Error), o.Width))
	}
	if room > 0 && len(rows) > room {
		more := fmt.Sprintf("… %d more nodes", len(rows)-room+1)
		if len(r.Failed) > 0 {
			more += fmt.Sprintf("; %d do not answer, one is %s", len(r.Failed), r.Failed[0].Node)
		}
		rows = append(rows[:room-1], clip(more, o.Width))
	}
	return append(lines, rows...)
}

// nodeColumns shares the width out: names as long as they are, bars the rest.
func nodeColumns(r *load.Report, width int) (name, bar int) {
	name = minName
	for _, n := range r.Nodes {
		name = max(name, len([]rune(n.Name)))
	}
	for _, f := range r.Failed {
		name = max(name, len([]rune(f.Node)))
	}
	free := width - otherColumns
	name = min(name, maxName, free-minBar)
	return name, min(free-name, maxBar)
}

func nodeLine(n *load.Node, mean float64, name, bar int, o Options) string {
	share := 0.0
	if mean > 0 {
		share = n.RowsPerSecond() / mean
	}
	u := n.Utilisation()
	line := fmt.Sprintf("%s %s %3.0f%% %9s %4.2fx %9s %7d %7d", tail(n.Name, name), gauge(u, bar), 100*u, number(n.RowsPerSecond()), share,
		number(1e3*n.MeanQueue().Seconds()), n.WaitingRows, n.Held())
	line = clip(line, o.Width)
	switch {
	case u >= 0.9:
		return paint(line, red, o.Colour)
	case u >= 0.7:
		return paint(line, yellow, o.Colour)
	}
	return line
}

func meanRate(nodes []*load.Node) float64 {
	sum := 0.0
	for _, n := range nodes {
		sum += n.RowsPerSecond()
	}
	return sum / float64(max(1, len(nodes)))
}

// gauge is a bar of a part between 0 and 1.
func gauge(part float64, width int) string {
	full := min(width, max(0, int(part*float64(width)+0.5)))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}
