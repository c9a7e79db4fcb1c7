package simulation

import (
	"encoding/json"

	"github.com/go-logr/logr"

	"github.com/olmoe-serving/olmoe-operator/internal/fleet"
	"github.com/olmoe-serving/olmoe-operator/internal/placement"
	"github.com/olmoe-serving/olmoe-operator/internal/podctl"
)

// The model is small, so that a step is cheap; nothing depends on its size.
const (
	layers      = 2
	experts     = 6
	expertBytes = 1 << 20
	fingerprint = "f00d"
)

var theModel = &fleet.Model{
	Fingerprint: fingerprint, Name: "demo", Layers: layers, Experts: experts, ExpertsPerToken: 2, ContextLength: 64,
	ExpertBytes: expertBytes, RouterBytes: expertBytes,
}

// pod is a pod's name with all that is bound to it: machine, network, mounted
// file, and the program that runs.
type pod struct {
	w       *world
	name    string
	ip      string
	machine string
	router  bool
	file    []byte   // as mounted; nil: not there
	inbox   [][]byte // documents pushed and not yet delivered
	prog    *program // nil: no container runs

	frozen      bool // the process is stopped
	lost        bool // the machine is: neither process nor kubelet does anything
	cutOperator bool // the operator does not reach it
	cutRouters  bool // routers do not
}

// program is one run of a container.
type program struct {
	pod      *pod
	instance int
	started  int64 // simulated nanoseconds
	draining bool
	known    bool            // the operator has asked it, or tried to
	watcher  *podctl.Watcher // the real one
	doc      *placement.Document
	held     [layers * experts]bool // of an expert node
	router   *router                // nil: an expert node
}

// start runs a new container: it knows what its mounted file says.
func (x *pod) start() {
	x.w.instances++
	p := &program{pod: x, instance: x.w.instances, started: x.w.now.UnixNano()}
	if x.router {
		p.router = &router{program: p, known: map[string]known{}}
	}
	shape := podctl.Shape{Layers: layers, Experts: experts, Model: fingerprint}
	p.watcher = podctl.NewWatcher("", shape, logr.Discard(), func(d *placement.Document) {
		p.doc = d
		if p.router != nil {
			p.router.reroute()
		}
	})
	x.prog, x.inbox = p, nil
	x.readFile()
}

// take gives the program a document; an older one or one that is damaged it ignores.
func (x *pod) take(raw []byte) {
	if x.prog != nil {
		_ = x.prog.watcher.Apply(raw)
	}
}

func (x *pod) readFile() {
	if x.file != nil {
		x.take(x.file)
	}
}

// up says whether the program computes.
func (x *pod) up() bool { return x != nil && x.prog != nil && !x.frozen && !x.lost }

// report is what the program says of itself.
func (x *pod) report() *fleet.Report {
	p := x.prog
	r := &fleet.Report{Model: theModel, Draining: p.draining, Ready: p.ready()}
	if p.doc != nil {
		r.Revision = p.doc.Revision
	}
	if p.router == nil {
		r.ReadyEpoch = p.readyEpoch()
		return r
	}
	r.ServingEpoch = p.router.servingEpoch()
	r.ExpertsReady, r.ExpertsWanted, r.Silent = p.router.covered, layers*experts, p.router.silent()
	return r
}

func (p *program) ready() bool {
	if p.draining {
		return false
	}
	if p.router != nil {
		return p.router.covered == layers*experts
	}
	s := p.shares()
	return len(s) > 0 && p.complete(s[0])
}

// shares are a node's parts of serving and target (package expertnode, assignment).
func (p *program) shares() (list []*share) {
	if p.doc == nil {
		return nil
	}
	for _, q := range []*placement.Placement{p.doc.Serving, p.doc.Target} {
		if q != nil && q.Node(p.pod.name) != nil {
			list = append(list, &share{q.Epoch, q.Node(p.pod.name).Experts})
		}
	}
	return list
}

type share struct {
	epoch   int64
	experts [][]int
}

func (p *program) complete(s *share) bool { return p.holds(s.experts) }

func (p *program) holds(list [][]int) bool {
	for l := range list {
		for _, e := range list[l] {
			if !p.held[l*experts+e] {
				return false
			}
		}
	}
	return true
}

func (p *program) readyEpoch() (epoch int64) {
	for _, s := range p.shares() {
		if s.epoch > epoch && p.complete(s) {
			epoch = s.epoch
		}
	}
	return epoch
}

// wanted are the experts of both shares, serving first.
func (p *program) wanted() (order []int, want [layers * experts]bool) {
	for _, s := range p.shares() {
		for l := range s.experts {
			for _, e := range s.experts[l] {
				if i := l*experts + e; !want[i] {
					want[i] = true
					order = append(order, i)
				}
			}
		}
	}
	return order, want
}

// drop lets go of what neither share has; false if there is nothing.
func (p *program) drop() (dropped bool) {
	_, want := p.wanted()
	for i := range p.held {
		if p.held[i] && !want[i] {
			p.held[i], dropped = false, true
		}
	}
	return dropped
}

// load drops, then loads one expert, as package expertnode does; false if all is loaded.
func (p *program) load() bool {
	dropped := p.drop()
	order, _ := p.wanted()
	for _, i := range order {
		if !p.held[i] {
			p.held[i] = true
			return true
		}
	}
	return dropped
}

func mustJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
