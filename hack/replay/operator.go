package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/controllers/rollout"
	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/router/dispatch"
)

// operator takes the operator's steps with the operator's own code, without a
// cluster around it: it asks the nodes, lets package rollout decide, and hands the
// document to nodes and router.
type operator struct {
	router          *dispatch.Dispatcher
	nodes           *pool
	replicas, slots int
	model           rollout.Model
	doc             *placement.Document
	lost            map[string]bool // nodes that it has given up
	fleet           fleet.GRPC
}

// roundPause between rounds while pods are waited for.
const roundPause = 100 * time.Millisecond

// settleTimeout bounds a change of placement: seconds, if nothing is wrong.
const settleTimeout = time.Minute

// round is one look and one step.
func (o *operator) round(ctx context.Context, loads [][]float64, may *rollout.Rebalance) (rollout.Decision, error) {
	d := rollout.Decide(o.state(ctx, loads, may))
	if d.Problem != nil {
		return d, fmt.Errorf("%s: %s", d.Problem.Reason, d.Problem.Message)
	}
	if d.Doc == o.doc {
		return d, nil
	}
	return d, o.publish(ctx, d.Doc)
}

func (o *operator) state(ctx context.Context, loads [][]float64, may *rollout.Rebalance) rollout.State {
	s := rollout.State{Members: o.nodes.members(), Replicas: o.replicas, SlotsPerNode: o.slots,
		Doc: o.doc, Loads: loads, Rebalance: may, Nodes: map[string]rollout.Node{}}
	for name, a := range fleet.DescribeAll(ctx, &o.fleet, o.nodes.pods()) {
		n := rollout.Node{Lost: o.lost[name]}
		if a.Err == nil {
			n.Model, n.Revision, n.ReadyEpoch = &o.model, a.Report.Revision, a.Report.ReadyEpoch
		}
		s.Nodes[name] = n
	}
	s.Routers = []rollout.Router{{Name: "driver", Model: &o.model, Running: true, ServingEpoch: o.router.Status().ServingEpoch}}
	return s
}

func (o *operator) publish(ctx context.Context, doc *placement.Document) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	pods := slices.DeleteFunc(o.nodes.pods(), func(p fleet.Pod) bool { return o.lost[p.Name] })
	if failed := fleet.ApplyAll(ctx, &o.fleet, pods, raw); len(failed) > 0 {
		name := slices.Sorted(maps.Keys(failed))[0]
		return fmt.Errorf("%s does not take the placement: %w", name, failed[name])
	}
	o.doc = doc
	o.router.Apply(doc)
	return nil
}

// settle goes on until the placement is in force and nothing waits.
func (o *operator) settle(ctx context.Context, loads [][]float64) error {
	var waiting []string
	for end := time.Now().Add(settleTimeout); time.Now().Before(end); {
		d, err := o.round(ctx, loads, nil)
		if err != nil {
			return err
		}
		if d.Waiting == "" && o.doc != nil && o.doc.Target == nil {
			return nil
		}
		waiting = append(waiting[:0], d.Waiting)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(roundPause):
		}
	}
	return fmt.Errorf("no placement in force after %s: waiting for %s", settleTimeout, strings.Join(waiting, ""))
}

// put brings a placement about, make before break.
func (o *operator) put(ctx context.Context, nodes []placement.Node) error {
	serving := o.doc.Serving
	target := &placement.Placement{Epoch: serving.Epoch + 1, Layers: serving.Layers, Experts: serving.Experts, Nodes: nodes}
	doc := &placement.Document{Revision: o.doc.Revision + 1, Model: o.doc.Model, Serving: serving, Target: target}
	if err := o.publish(ctx, doc); err != nil {
		return err
	}
	return o.settle(ctx, nil)
}
