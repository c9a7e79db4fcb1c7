package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/poolsim"
)

// byHand is a day of 48 slots, by hand: ours takes 100 node-hours, and each policy
// after it 25 more.
func byHand(trace string) *comparison {
	c := &comparison{Setup: setup{Trace: trace, Peak: 8, Weights: "bf16", Rows: 160, Bound: 15 * time.Millisecond}, Least: 80}
	for i, name := range []string{"ours", "defaults", "cpu", "queue", "cpu balanced", "queue balanced", "fixed", "fixed balanced", "ahead"} {
		r := &poolsim.Result{NodeHours: float64(100 + 25*i)}
		for range 48 {
			r.Nodes, r.Response = append(r.Nodes, 4+i), append(r.Response, .001)
		}
		c.Policies = append(c.Policies, &poolsim.Tuned{Name: name, Target: "1 %", Kept: i != 1, Days: []*poolsim.Result{r}})
	}
	c.Ahead, c.Policies = c.Policies[8], c.Policies[:8]
	return c
}

// TestPlotsAreXML, with every policy named in each.
func TestPlotsAreXML(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "img")
	if err := draw(dir, []*comparison{byHand("all")}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.svg"))
	if len(files) != 3 {
		t.Fatalf("files %v, want 3", files)
	}
	for _, name := range files {
		svg, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(bytes.NewReader(svg))
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s is no XML: %v", name, err)
		}
		for _, part := range []string{"ours", "cpu", "prefers-color-scheme:dark"} {
			if !strings.Contains(string(svg), part) {
				t.Errorf("%s does not say %q", name, part)
			}
		}
	}
}

func TestTableTellsWhatBreaksTheBound(t *testing.T) {
	var out strings.Builder
	byHand("all").print(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 12 || !strings.Contains(lines[5], "-33%") || strings.Contains(lines[5], "breaks") || !strings.HasSuffix(lines[4], "breaks the bound") {
		t.Errorf("the table is\n%s", out.String())
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "no policy") || !strings.HasSuffix(last, "+25%") {
		t.Errorf("the last line is %q, want the bound of 80 and that ours needs 25 %% more", last)
	}
}

// TestPage: tables come between their marks, each day in its own one, and nothing else changes.
func TestPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	var page string
	for _, mark := range []string{"days", "other days", "together"} {
		page += "before " + mark + "\n<!-- poolsim: " + mark + " -->\nold\n<!-- end: " + mark + " -->\nafter\n"
	}
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	calm, other := byHand("diurnal"), byHand("shift")
	other.Setup.Weights = "int8"
	pools := []*together{{Pool: calm.Setup.pool(), Setups: []setup{calm.Setup, calm.Setup}, Policies: calm.Policies}, {Pool: other.Setup.pool()}}
	for range 2 { // the second time the tables of the first one go
		if err := writePage(file, &results{Days: []*comparison{calm, other}, Pools: pools}); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(file)
	for part, times := range map[string]int{
		"before other days\n": 1, "old": 0, "after\n": 3, "125†": 2,
		"| diurnal, 8 | 80 | 300 | **100** (1 %) | 150 (−33 %) |": 1, "| shift, 8, int8 | 80 |": 1, "| 8 | 2 | **100** (1 %) |": 1,
	} {
		if n := strings.Count(string(text), part); n != times {
			t.Errorf("%q is there %d times, want %d, in\n%s", part, n, times, text)
		}
	}
	if err := os.WriteFile(file, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePage(file, &results{Days: []*comparison{calm}}); err == nil || !strings.Contains(err.Error(), "poolsim: days") {
		t.Errorf("a page without marks: %v", err)
	}
}

// TestGroup: pools that differ in anything but the day are kept apart.
func TestGroup(t *testing.T) {
	a := byHand("diurnal").Setup
	b, c := a, a
	b.Rows, c.Trace = 32, "bursts"
	if pools := group([]setup{a, b, c}); len(pools) != 2 || len(pools[0].Setups) != 2 || pools[0].Setups[1] != c || pools[1].Pool.Rows != 32 {
		t.Errorf("groups %+v, want diurnal and bursts in one, and steps of 32 in another", pools)
	}
}

// TestResultsAreKept: a day that is played again replaces what it was, others stay, and
// the order is that of the page.
func TestResultsAreKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	for i, names := range [][]string{{"all", "diurnal"}, {"bursts"}, {"diurnal"}} {
		r, err := readResults(file)
		if err != nil {
			t.Fatal(err)
		}
		var p together
		for _, name := range names {
			c := byHand(name)
			c.Setup.Peak, c.Least = 64, float64(i)
			p.Pool, p.Setups, p.days = c.Setup.pool(), append(p.Setups, c.Setup), append(p.days, c)
		}
		if err := r.add(&p, file); err != nil {
			t.Fatal(err)
		}
	}
	r, err := readResults(file)
	if err != nil || len(r.Days) != 3 || len(r.Pools) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, want := range []comparison{{Setup: setup{Trace: "diurnal"}, Least: 2}, {Setup: setup{Trace: "bursts"}, Least: 1}, {Setup: setup{Trace: "all"}, Least: 0}} {
		if got := r.Days[i]; got.Setup.Trace != want.Setup.Trace || got.Least != want.Least {
			t.Errorf("day %d: %s of run %v, want %s of run %v", i, got.Setup.Trace, got.Least, want.Setup.Trace, want.Least)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(file); err == nil || !strings.Contains(err.Error(), "results.json") {
		t.Errorf("a broken file: %v", err)
	}
}

// TestDocumentedSetups: the days of the page can be read.
func TestDocumentedSetups(t *testing.T) {
	o, err := parse(nil)
	if err != nil || len(o.days) != 10 || o.days[1] != (setup{"bursts", 64, "bf16", 160, 15 * time.Millisecond}) {
		t.Errorf("%v %v", o.days, err)
	}
}

func TestBadFlags(t *testing.T) {
	for _, c := range []struct{ flag, want string }{
		{"-days=all", "-days"},
		{"-days=all:5000", "must be 1 to"},
		{"-days=all:64:f64", "bf16 or int8"},
		{"-days=all:64:bf16:0", "rows of a step"},
		{"-days=all:64:bf16:160:fast", "such as 15ms"},
		{"-counts=missing.json", "missing.json"},
		{"-days=weekly:64", "weekly"},
		{"-days=missing.csv:64", "missing.csv"},
		{"-days=testdata/broken.csv:64", "broken.csv: line 3: seconds must ascend"},
	} {
		if err := run([]string{c.flag}, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want ...%s...", c.flag, err, c.want)
		}
	}
}

// TestTraceFromAFile: two hours, recorded, are played as a made day is.
func TestTraceFromAFile(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"-days=testdata/hours.csv:8"}, &out); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "testdata/hours.csv, 8 nodes at the regular peak") || strings.Count(s, "%") < 8 {
		t.Error(s)
	}
}
