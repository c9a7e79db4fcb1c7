package monitoring

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// panel is what is looked at of a dashboard's panel.
type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

func panels(t *testing.T) (list []panel) {
	t.Helper()
	var d struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "config", "monitoring", "olmoe.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d.Panels
}

// variables are the dashboard's, for the healthy world.
var variables = strings.NewReplacer("$namespace", "nlp", "$pool", "demo", "$__rate_interval", "1m")

// TestDashboardShowsSomething: each query of a healthy deployment has an answer, of numbers,
// with the labels that its legend names.
func TestDashboardShowsSomething(t *testing.T) {
	e, world, n := engine(t), load(t, healthy, nil, nil), 0
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			n++
			q, err := e.NewInstantQuery(t.Context(), world, nil, variables.Replace(target.Expr), time.Unix(0, 0).Add(100*step))
			if err != nil {
				t.Errorf("%s: %v", p.Title, err)
				continue
			}
			answer, err := q.Exec(t.Context()).Vector()
			if err != nil || len(answer) == 0 {
				t.Errorf("%s: %s: no answer (%v)", p.Title, target.Expr, err)
			}
			for _, s := range answer {
				if math.IsNaN(s.F) || math.IsInf(s.F, 0) {
					t.Errorf("%s: %s is %v", p.Title, target.Expr, s.F)
				}
				for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
					if !s.Metric.Has(m[1]) {
						t.Errorf("%s: the legend names %s, an answer has %s", p.Title, m[1], s.Metric)
					}
				}
			}
			if p.Type == "stat" && len(answer) != 1 {
				t.Errorf("%s: %d numbers, want one", p.Title, len(answer))
			}
		}
	}
	if n < 40 {
		t.Errorf("%d queries: the test does not read the dashboard", n)
	}
}

// TestMetricsExist: alerts and dashboard ask for metrics that there are.
func TestMetricsExist(t *testing.T) {
	var queries []string
	for _, r := range alerts(t) {
		queries = append(queries, r.Expr)
	}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			queries = append(queries, variables.Replace(target.Expr))
		}
	}
	known := reference(t)
	for _, q := range queries {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(q)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			if s, ok := n.(*parser.VectorSelector); ok {
				if _, is := known[base(s.Name)]; !is && !foreign.MatchString(s.Name) {
					t.Errorf("%s: there is no %s", q, s.Name)
				}
			}
			return nil
		})
	}
}

// TestPanelsHaveRoom: panels have different numbers, and none covers another.
func TestPanelsHaveRoom(t *testing.T) {
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range panels(t) {
		if ids[p.ID] {
			t.Errorf("%s: its number is another's, too", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s covers %s, or leaves the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
