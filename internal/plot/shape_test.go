package plot

import (
	"slices"
	"strings"
	"testing"
)

// lines go straight up to y, in the palette's colours.
func lines(n int, y float64) []Line {
	all := make([]Line, n)
	for i := range all {
		all[i] = Line{Name: string(rune('a' + i)), X: []float64{0, 10}, Y: []float64{0, y}}
	}
	return all
}

// The drawing area is 680 wide from x = 64, and 250 high from y = 40.
func TestWhereThingsAre(t *testing.T) {
	chart := Chart{XMax: 10, XStep: 5, XLabel: "time", YLabel: "speed", Bound: 80, BoundName: "limit", Lines: lines(4, 100)}
	bars := Bars{YMin: 100, YLabel: "speed", Names: []string{"a", "b"},
		Groups: []Group{{Labels: []string{"one", "two"}, Values: []float64{60, 30}}, {Values: []float64{120, 0}}}}
	for _, c := range []struct {
		what, svg string
		want      []string
	}{
		{"ticks along x are under their lines", chart.SVG(), []string{
			`<line class="grid" x1="64.0" y1="40" x2="64.0" y2="290"/><text x="64.0" y="307" text-anchor="middle">0<`,
			`<line class="grid" x1="404.0" y1="40" x2="404.0" y2="290"/><text x="404.0" y="307" text-anchor="middle">5<`,
			`<line class="grid" x1="744.0" y1="40" x2="744.0" y2="290"/><text x="744.0" y="307" text-anchor="middle">10<`}},
		{"ticks along y are beside theirs, up to the largest value", chart.SVG(), []string{
			`y1="290.0" x2="744" y2="290.0"/><text x="57" y="294.0" text-anchor="end">0<`,
			`y1="240.0" x2="744" y2="240.0"/><text x="57" y="244.0" text-anchor="end">20<`,
			`y1="40.0" x2="744" y2="40.0"/><text x="57" y="44.0" text-anchor="end">100<`}},
		{"a bound crosses the chart at its height", chart.SVG(), []string{
			`<line class="bound" x1="64" y1="90.0" x2="744" y2="90.0"/><text x="740" y="85.0" text-anchor="end">limit<`}},
		{"names stand three in a row", chart.SVG(), []string{
			`<text x="83" y="348">a<`, `<text x="315" y="348">b<`, `<text x="547" y="348">c<`, `<text x="83" y="368">d<`}},
		{"bars of a group stand side by side, with a gap", bars.SVG(), []string{
			`<rect x="98.0" y="190.0" width="125.1" height="100.0"`, `<rect x="234.0" y="240.0" width="125.1" height="50.0"`,
			`<rect x="438.0" y="90.0" width="125.1" height="200.0"`}},
		{"labels stand under the middle of their group", bars.SVG(), []string{
			`<text x="234.0" y="306" text-anchor="middle">one<`, `<text x="234.0" y="321" text-anchor="middle">two<`}},
		{"bars have an axis too, above the highest", bars.SVG(), []string{">speed<", `y1="40.0" x2="744" y2="40.0"/><text x="57" y="44.0" text-anchor="end">150<`}},
	} {
		for _, want := range c.want {
			if !strings.Contains(c.svg, want) {
				t.Errorf("%s: no %s in\n%s", c.what, want, c.svg)
			}
		}
	}
}

// A chart with more lines than there are colours begins again with the first.
func TestColoursRepeat(t *testing.T) {
	c := Chart{XMax: 10, XStep: 5, Lines: lines(len(Palette)+1, 1)}
	var got []string
	for _, s := range strings.Split(c.SVG(), `<polyline fill="none" stroke="`)[1:] {
		got = append(got, s[:7])
	}
	if want := slices.Concat(Palette, Palette[:1]); !slices.Equal(got, want) {
		t.Errorf("lines are drawn in %v, want %v", got, want)
	}
}

// What was not asked for is not drawn.
func TestNoPointsNoBound(t *testing.T) {
	c := Chart{XMax: 10, XStep: 5, Lines: lines(1, 1)}
	for _, no := range []string{"<circle", `class="bound"`} {
		if strings.Contains(c.SVG(), no) {
			t.Errorf("%s in\n%s", no, c.SVG())
		}
	}
}
