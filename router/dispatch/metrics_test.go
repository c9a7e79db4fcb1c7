package dispatch

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestErrorsAreCountedFromZero: an alert on damaged frames sees the first one, too.
func TestErrorsAreCountedFromZero(t *testing.T) {
	reg := prometheus.NewRegistry()
	d := New(Options{Name: "r", Layers: 1, Experts: 1, Hidden: 8, Metrics: reg})
	defer d.Close()
	want := `# HELP olmoe_dispatch_stream_errors_total Streams to expert nodes that broke: lost connections and damaged frames.
# TYPE olmoe_dispatch_stream_errors_total counter
olmoe_dispatch_stream_errors_total{reason="BadFrame"} 0
olmoe_dispatch_stream_errors_total{reason="Connection"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "olmoe_dispatch_stream_errors_total"); err != nil {
		t.Error(err)
	}
}
