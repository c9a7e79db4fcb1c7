package router

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
)

// apiOptions are those of the HTTP API while the model loads.
func (p *process) apiOptions() openai.Options {
	return openai.Options{
		Model: p.servedModel(), Version: version.String(), APIKey: p.o.APIKey, MaxBody: p.o.MaxBody,
		MaxChoices:  min(openai.DefaultMaxChoices, p.o.MaxQueue), // all wait for a moment, so that more are never taken
		MaxRequests: p.o.MaxQueue + p.o.MaxSequences + openai.DefaultMaxRequests,

		Ready:   func() error { return errors.New("loading the model") },
		Metrics: openai.NewMetrics(p.registry), MetricsPage: promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}),
		Log: p.log.WithName("http"),
	}
}

// serveAPI answers by an API of these options from now on.
func (p *process) serveAPI(o openai.Options) {
	h := openai.New(o).Handler()
	p.handler.Store(&h)
}

// modelOptions are those of the HTTP API with its model. A checkpoint without a tokenizer
// or chat template is served all the same: to clients that send token ids, or completions
// only.
func (p *process) modelOptions(core *Core) (openai.Options, error) {
	o := p.api
	o.Generator, o.Ready, o.Load = core.Engine, p.ready.err, loadPage(core)
	o.Context, o.Vocab, o.Fingerprint = core.Engine.Context(), core.Config().VocabSize, core.Checkpoint.Fingerprint()
	tok, err := tokenizer.Load(filepath.Join(p.o.Model, "tokenizer.json"))
	switch {
	case errors.Is(err, checkpoint.ErrNotFound):
		p.log.Info("no tokenizer.json: only prompts of token ids are served")
	case err != nil:
		return o, p.modelError("tokenizer", err)
	default:
		o.Tokenizer = openai.FromTokenizer(tok)
		if err := p.endAtTokenizers(core, tok); err != nil {
			return o, err
		}
	}
	template, err := chat.Load(p.o.Model)
	switch {
	case errors.Is(err, chat.ErrNoTemplate):
		p.log.Info("no chat template: chat requests are refused")
	case err != nil:
		return o, p.modelError("chat template", err)
	default:
		o.Chat = openai.FromTemplate(template)
	}
	return o, nil
}

// endAtTokenizers makes the tokenizer's own end of sequence end answers, too (docs/adr/0172).
func (p *process) endAtTokenizers(core *Core, tok *tokenizer.Tokenizer) error {
	text, err := chat.EndOfSequence(p.o.Model)
	if err != nil {
		return p.modelError("end of sequence", err)
	}
	if id, ok := tok.TokenID(text); ok {
		core.Engine.EndAt(id)
	}
	return nil
}

// modelError is of a kind of package checkpoint: the file's own, where it cannot be read.
func (p *process) modelError(what string, err error) error {
	if e := (*checkpoint.Error)(nil); errors.As(err, &e) {
		return e
	}
	return &checkpoint.Error{Kind: checkpoint.ErrInvalid, Path: p.o.Model, Problem: what, Cause: err}
}

func (p *process) servedModel() string {
	if p.o.ServedModel != "" {
		return p.o.ServedModel
	}
	dir, err := filepath.Abs(p.o.Model)
	if err != nil {
		dir = p.o.Model
	}
	return filepath.Base(dir)
}

// role is what a router calls itself.
const role = "router"

// podName is the pod's name, which is its host's as well.
func (o *Options) podName() string {
	if o.Name != "" {
		return o.Name
	}
	name, _ := os.Hostname()
	return name
}

type describeResponse = controlpb.DescribeResponse

// describe fills what a router has to say to the operator.
func (p *process) describe(r *describeResponse, core *Core) {
	s := core.Dispatcher.Status()
	r.Role, r.Name = role, p.gate.Name
	r.Model = p.model
	r.ServingEpoch, r.ReadyEpoch = s.ServingEpoch, s.ReadyEpoch
	r.ExpertsReady, r.ExpertsWanted = uint32(s.Covered), uint32(s.Wanted) //nolint:gosec // at most layers x experts
	r.SilentNodes = core.Dispatcher.Silent()
	r.Draining = p.ready.draining.Load()
	if err := p.ready.err(); err != nil {
		r.Message = err.Error()
	} else {
		r.Ready = true
	}
}
