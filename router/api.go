package router

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/olmoe-serving/olmoe-operator/internal/chat"
	"github.com/olmoe-serving/olmoe-operator/internal/checkpoint"
	"github.com/olmoe-serving/olmoe-operator/internal/controlpb"
	"github.com/olmoe-serving/olmoe-operator/internal/tokenizer"
	"github.com/olmoe-serving/olmoe-operator/internal/version"
	"github.com/olmoe-serving/olmoe-operator/router/openai"
)

// newAPI makes the HTTP API. A checkpoint without a tokenizer or chat template is
// served all the same: to clients that send token ids, or completions only.
func (p *process) newAPI(core *Core) (http.Handler, error) {
	o := openai.Options{
		Generator: core.Engine,
		Model:     p.servedModel(),
		Context:   core.Config().MaxPositionEmbeddings, Vocab: core.Config().VocabSize,
		Fingerprint: core.Checkpoint.Fingerprint(), Version: version.String(),
		APIKey: p.o.APIKey, MaxBody: p.o.MaxBody,
		MaxSequences: min(openai.DefaultMaxSequences, p.o.MaxQueue), // all wait for a moment, so that more are never taken

		Ready: p.ready.err, Metrics: p.metricsHandler(), Load: loadPage(core), Registerer: p.registry, Log: p.log.WithName("http"),
	}
	tok, err := tokenizer.Load(filepath.Join(p.o.Model, "tokenizer.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.log.Info("no tokenizer.json: only prompts of token ids are served")
	case err != nil:
		return nil, &checkpoint.Error{Kind: checkpoint.ErrInvalid, Path: p.o.Model, Problem: "tokenizer", Cause: err}
	default:
		o.Tokenizer = openai.FromTokenizer(tok)
	}
	template, err := chat.Load(p.o.Model)
	switch {
	case errors.Is(err, chat.ErrNoTemplate):
		p.log.Info("no chat template: chat requests are refused")
	case err != nil:
		return nil, &checkpoint.Error{Kind: checkpoint.ErrInvalid, Path: p.o.Model, Problem: "chat template", Cause: err}
	default:
		o.Chat = openai.FromTemplate(template)
	}
	return openai.New(o).Handler(), nil
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

type describeResponse = controlpb.DescribeResponse

// describe fills what a router has to say to the operator.
func (p *process) describe(r *describeResponse, core *Core) {
	s := core.Dispatcher.Status()
	r.Role, r.Name = "router", p.o.Name
	if r.Name == "" {
		r.Name, _ = os.Hostname()
	}
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
