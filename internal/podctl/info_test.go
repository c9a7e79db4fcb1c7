package podctl

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/synth"
)

// What a pod is can be read from its metrics, as 1 with labels.
func TestInfoIsAMetric(t *testing.T) {
	reg := prometheus.NewRegistry()
	RegisterInfo(reg, "router", logr.Discard())
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	labels := map[string]string{}
	m := families[0].GetMetric()[0]
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	if m.GetGauge().GetValue() != 1 || labels["role"] != "router" || labels["version"] == "" || labels["kernels"] == "" {
		t.Errorf("%s is %v", families[0].GetName(), m)
	}
}

// A model whose output matrix is its embedding takes a router as much room as one that
// has two matrices, if weights are 8-bit: the embedding stays as it is stored, and the
// output needs a copy.
func TestRoomOfTiedEmbedding(t *testing.T) {
	room := map[bool]uint64{}
	for _, tied := range []bool{false, true} {
		o := synth.Tiny()
		o.Layers, o.Experts, o.ExpertsPerTok, o.Tokenizer, o.Tied = 1, 2, 1, false, tied
		dir := t.TempDir()
		if err := synth.Write(dir, o); err != nil {
			t.Fatal(err)
		}
		ck, err := checkpoint.OpenAs(dir, checkpoint.Int8)
		if err != nil {
			t.Fatal(err)
		}
		m, err := DescribeModel(ck, "tiny")
		if err != nil {
			t.Fatal(err)
		}
		room[tied] = m.GetRouterBytes()
		_ = ck.Close()
	}
	if room[true] != room[false] {
		t.Errorf("%d bytes tied, %d with two matrices", room[true], room[false])
	}
}
