package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func checkXML(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	var err error
	for err == nil {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("no XML: %v\n%s", err, svg)
	}
}

func TestChart(t *testing.T) {
	c := Chart{Title: "Speed", XLabel: "batch", YLabel: "tokens/s", XMax: 10, XStep: 5,
		Lines: []Line{{Name: "one", X: []float64{0, 10}, Y: []float64{0, 100}, Points: true}, {Name: "two", Colour: "#123456", X: []float64{5}, Y: []float64{50}}}}
	svg := c.SVG()
	checkXML(t, svg)
	// The lower left and the upper right corner of the inner area, twice: line and points.
	for _, want := range []string{
		`points="64.0,290.0 744.0,40.0 "`, `<circle cx="744.0" cy="40.0"`, `points="404.0,165.0 "`,
		`stroke="#123456"`, Palette[0], ">one<", ">two<", ">batch<", ">tokens/s<", ">Speed<", ">100<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

func TestBars(t *testing.T) {
	c := Bars{Title: "Hours", YLabel: "%", YMin: 100, Names: []string{"a", "b"},
		Groups: []Group{{Labels: []string{"quiet", "64"}, Values: []float64{100, 50}}}}
	svg := c.SVG()
	checkXML(t, svg)
	// 100 of 120 and 50 of 120 of the inner height of 250.
	for _, want := range []string{`height="208.3"`, `height="104.2"`, ">quiet<", ">64<", ">a<", ">b<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

func TestNoData(t *testing.T) {
	c := Chart{Title: "Empty", XMax: 1, XStep: 1, Lines: []Line{{Name: "none"}}}
	checkXML(t, c.SVG())
	if svg := c.SVG(); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error(svg)
	}
}

func TestNiceSteps(t *testing.T) {
	for largest, want := range map[float64]float64{5: 1, 6: 2, 30: 10, 31: 10, 900: 200, .4: .1, 0: 1} {
		if got := niceStep(largest); got < want*.999 || got > want*1.001 {
			t.Errorf("axis up to %v: steps of %v, want %v", largest, got, want)
		}
	}
}
