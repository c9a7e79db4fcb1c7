package processes_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/olmoe-serving/olmoe-operator/internal/programtest"
)

// The report has every measurement, positive and, within noise, below its limit.
func TestBenchReport(t *testing.T) {
	var stderr bytes.Buffer
	cmd := exec.Command(programtest.Path(t), "bench", "--model", model, "--runs", "1", "--json")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var r struct {
		Limits  map[string]float64 `json:"limits"`
		Results []struct {
			Name     string  `json:"name"`
			Weights  string  `json:"weights"`
			Batch    int     `json:"batch"`
			Tokens   int     `json:"tokens"`
			Rate     float64 `json:"tokens_per_second"`
			Seconds  float64 `json:"seconds_p50"`
			Fraction float64 `json:"fraction_of_limit"`
			Part     float64 `json:"of_one_process"`
		} `json:"results"`
		Wire []struct {
			Rows     int     `json:"rows"`
			Dispatch float64 `json:"dispatch_seconds_p50"`
			Unary    float64 `json:"grpc_unary_seconds_p50"`
			TCP      float64 `json:"tcp_seconds_p50"`
		} `json:"wire"`
		Identity []struct {
			Batch   int     `json:"batch"`
			Nodes   int     `json:"nodes"`
			Outputs float64 `json:"outputs_seconds_p50"`
			Sums    float64 `json:"sums_seconds_p50"`
			OfStep  float64 `json:"of_step"`
		} `json:"bit_identity"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"read_bytes_per_second", "streams_bytes_per_second", "int8_ops_per_second", "f32_flops_per_second"} {
		if r.Limits[name] < 1e6 {
			t.Errorf("limit %s is %g", name, r.Limits[name])
		}
	}
	if len(r.Wire) != 2 || r.Wire[0].Rows != 1 || r.Wire[1].Rows != 32 {
		t.Errorf("wire: %+v, want 1 and 32 rows", r.Wire)
	}
	for _, w := range r.Wire {
		if w.Dispatch <= 0 || w.Unary <= 0 || w.TCP <= 0 || w.TCP > w.Unary {
			t.Errorf("wire: %+v", w)
		}
	}
	for i, rows := range []int{1, 32} {
		if len(r.Identity) != 2 {
			t.Fatalf("bit-identity: %+v, want 1 and 32 rows", r.Identity)
		}
		if m := r.Identity[i]; m.Batch != rows || m.Nodes != 2 || m.Outputs <= 0 || m.Sums <= 0 || m.OfStep == 0 {
			t.Errorf("bit-identity: %+v", m)
		}
	}
	var got []string
	for _, m := range r.Results {
		got = append(got, fmt.Sprintf("%s %d", m.Name, m.Batch))
		if m.Weights != "bf16" || m.Rate <= 0 || m.Seconds <= 0 || m.Fraction <= 0 || m.Fraction > 1.5 {
			t.Errorf("%+v", m)
		}
		if compared := m.Name != "dispatch"; compared != (m.Part > 0) {
			t.Errorf("compared with one process: %+v", m)
		}
	}
	want := "[decode 1 decode 4 decode 8 decode 16 decode 32 prefill 1 prefill 1 dispatch 1 dispatch 32]"
	if fmt.Sprint(got) != want {
		t.Errorf("results %v, want %s", got, want)
	}
}

// TestBenchOfNothing: what is set to 0 is left out, and a list of none is a list.
func TestBenchOfNothing(t *testing.T) {
	var stderr bytes.Buffer
	cmd := exec.Command(programtest.Path(t), "bench", "--model", model, "--runs", "1", "--json", "--decode", "0", "--prefill", "0", "--dispatch", "0")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var r struct{ Results, Wire json.RawMessage }
	if err := json.Unmarshal(out, &r); err != nil || string(r.Results) != "[]" || string(r.Wire) != "[]" {
		t.Errorf("results %s, wire %s, %v: want lists of none", r.Results, r.Wire, err)
	}
}

// TestBenchStarts: 8-bit weights are made, kept until a second start has used them, and
// removed. Starts are not among the results, whose names others rely on.
func TestBenchStarts(t *testing.T) {
	var stderr bytes.Buffer
	folder := t.TempDir()
	cmd := exec.Command(programtest.Path(t), "bench", "--model", model, "--weights", "int8", "--weights-cache", folder, "--one-process=false",
		"--runs", "1", "--starts", "1", "--json", "--decode", "0", "--prefill", "0", "--dispatch", "0")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	var r struct {
		Results json.RawMessage
		Starts  []struct {
			Kind    string  `json:"kind"`
			Weights string  `json:"weights"`
			Seconds float64 `json:"seconds_p50"`
			Read    float64 `json:"read_seconds_p50"`
			Bytes   int64   `json:"read_bytes"`
			Ratio   float64 `json:"of_reading"`
		} `json:"starts"`
	}
	if err := json.Unmarshal(out, &r); err != nil || string(r.Results) != "[]" || len(r.Starts) != 2 {
		t.Fatalf("%s, %v: want two starts and no results", out, err)
	}
	for i, kind := range []string{"made", "kept"} {
		if s := r.Starts[i]; s.Kind != kind || s.Weights != "int8" || s.Seconds <= 0 || s.Read <= 0 || s.Bytes <= 0 || s.Ratio <= 0 {
			t.Errorf("%+v, want %s", s, kind)
		}
	}
	if r.Starts[1].Bytes >= r.Starts[0].Bytes {
		t.Errorf("%+v: 8-bit weights are not smaller", r.Starts)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "olmoe-start-*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
