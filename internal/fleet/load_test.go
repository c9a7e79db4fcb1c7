package fleet

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/load"
	"github.com/olmoe-serving/olmoe-operator/internal/load/loadpb"
)

// Load makes program answer with a node that has had as many rows as milliseconds
// were asked for.
func (p *program) Load(ctx context.Context, r *controlpb.LoadRequest) (*controlpb.LoadResponse, error) {
	if p.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := &load.Node{Name: p.name, Seconds: 1, ExpertsPerToken: 1, Counts: *load.NewCounts(1, 2)}
	n.Rows[0][1] = uint64(r.GetWindowMs())
	return loadpb.From(n), nil
}

// A report has the answers, and lists who gave none and why.
func TestLoadAll(t *testing.T) {
	named := func(p *program, name string) Pod {
		pod := serve(t, p)
		pod.Name = name
		return pod
	}
	pods := []Pod{
		named(&program{name: "b"}, "b"), named(&program{name: "a"}, "a"), named(&program{hang: true}, "hangs"),
		{Name: "gone", Address: "127.0.0.1:1"}, named(&program{name: "x"}, "other"),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	r := LoadAll(ctx, &GRPC{}, pods, 30*time.Second)
	if len(r.Nodes) != 2 || r.Nodes[0].Name != "a" || r.Nodes[1].Rows[0][1] != 30_000 {
		t.Errorf("nodes %+v", r.Nodes)
	}
	if len(r.Failed) != 3 || r.Summary.Answered != 2 || r.Summary.Expected != 5 {
		t.Fatalf("failed %v, summary %+v", r.Failed, r.Summary)
	}
	for i, want := range []string{"gone at 127.0.0.1:1", "no answer in time", `this is pod "x"`} {
		if !strings.Contains(r.Failed[i].Error, want) {
			t.Errorf("error %q, want one with %q", r.Failed[i].Error, want)
		}
	}
}
