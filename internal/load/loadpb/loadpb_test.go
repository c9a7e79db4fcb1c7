package loadpb

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
)

// numbered is a node whose every number is another.
func numbered() *load.Node {
	n := &load.Node{Name: "a", Instance: 1 << 63, Seconds: 59.5, ExpertsPerToken: 8, Counts: *load.NewCounts(3, 5),
		WaitingRows: 4, HeldBytes: 5, ExpertBytes: 6}
	next := uint64(100)
	for _, m := range []load.Matrix{n.Rows, n.Activations, n.BusyNs, n.QueueNs, {n.Tokens, n.Requests, n.RequestQueueNs}} {
		for l := range m {
			for e := range m[l] {
				m[l][e] = next
				next++
			}
		}
	}
	return n
}

func TestLoadAsAMessage(t *testing.T) {
	b, err := proto.Marshal(From(numbered()))
	if err != nil {
		t.Fatal(err)
	}
	var r controlpb.LoadResponse
	if err := proto.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	got, err := To(&r)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(numbered())
	if text, _ := json.Marshal(got); string(text) != string(want) {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

// A message of a node is not trusted: its sizes are checked before use.
func TestDamagedLoadIsRefused(t *testing.T) {
	for want, damage := range map[string]func(r *controlpb.LoadResponse){
		"rows has 14 numbers for 3 layers of 5":    func(r *controlpb.LoadResponse) { r.Rows = r.Rows[1:] },
		"queue_ns has 0 numbers for 3 layers of 5": func(r *controlpb.LoadResponse) { r.QueueNs = nil },
		"load of a: 3 layers x 0 experts":          func(r *controlpb.LoadResponse) { r.Experts = 0 },
		"load of a: 4294967295 layers x 5 experts": func(r *controlpb.LoadResponse) { r.Layers = 1<<32 - 1 },
		"load of 2 layers beside 3":                func(r *controlpb.LoadResponse) { r.Requests = r.Requests[:2] },
		"a window of -5 seconds":                   func(r *controlpb.LoadResponse) { r.Seconds = -5 },
		"load of a: 0 layers x 65536 experts":      func(r *controlpb.LoadResponse) { r.Layers, r.Experts = 0, 1<<16 },
		"load of a: 1048576 layers x 1 experts": func(r *controlpb.LoadResponse) {
			many := make([]uint64, 1<<20)
			r.Layers, r.Experts, r.Rows, r.Activations, r.BusyNs, r.QueueNs = 1<<20, 1, many, many, many, many
		},
	} {
		r := From(numbered())
		damage(r)
		if _, err := To(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := To(&controlpb.LoadResponse{}); err == nil {
		t.Error("an empty message was taken")
	}
}
