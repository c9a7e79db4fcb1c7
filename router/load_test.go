package router_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
)

// report asks the router for the load until it is as wanted.
func (r *running) report(t *testing.T, what string, ok func(*load.Report) bool) *load.Report {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		body := r.await(t, "/debug/load?window=30s", http.StatusOK)
		var report load.Report
		if err := json.Unmarshal([]byte(body), &report); err != nil {
			t.Fatal(err)
		}
		if ok(&report) {
			return &report
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s", what, body)
		}
	}
}

// The load page has every node of the newest placement: with its load, or with why
// there is none.
func TestLoadPageWithADeadNode(t *testing.T) {
	dir, file := model(t), filepath.Join(t.TempDir(), "placement.json")
	r := start(t, dir, file)
	r.await(t, "/v1/models", http.StatusOK)
	address := node(t, dir, file)
	r.await(t, "/ready", http.StatusOK)
	_ = r.stream(t, 20).Close()
	report := r.report(t, "load is seen", func(l *load.Report) bool { return l.Summary.Hottest != nil })
	if len(report.Nodes) != 1 || report.Nodes[0].Name != "n0" || report.WindowSeconds != 30 || len(report.Failed) != 0 {
		t.Fatalf("report %+v", report)
	}

	all := make([][]int, 2)
	for e := range 64 {
		all[0], all[1] = append(all[0], e), append(all[1], e)
	}
	b, err := json.Marshal(placement.Document{Revision: 2, Serving: &placement.Placement{Epoch: 2, Layers: 2, Experts: 64, Nodes: []placement.Node{
		{Name: "dead", Address: "127.0.0.1:1", Experts: all}, {Name: "n0", Address: address, Experts: all}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	report = r.report(t, "the dead node is listed", func(l *load.Report) bool { return len(l.Failed) == 1 })
	if report.Failed[0].Node != "dead" || report.Failed[0].Error == "" || len(report.Nodes) != 1 || report.Summary.Expected != 2 {
		t.Errorf("failed %v, summary %+v", report.Failed, report.Summary)
	}
}
