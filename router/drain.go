package router

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// lastWords is how long requests that a router ends may take to say so.
const lastWords = 3 * time.Second

// drain lets clients go without losing a request, as far as DrainTimeout reaches and nothing
// fails. What is left then is ended.
func (p *process) drain(core *Core, server *http.Server, stop context.CancelCauseFunc) error {
	p.ready.draining.Store(true)
	p.log.Info("draining", "delay", p.o.DrainDelay, "active", core.Engine.Active())
	done, fatal := p.finish(server)
	if done {
		return nil
	}
	cut := core.Engine.Active()
	taken := end(server, stop, fatal)
	if fatal != nil {
		return fatal
	}
	return p.drained(cut, taken)
}

// finish lets what was accepted end by itself, and says whether it did, or what has failed
// meanwhile.
func (p *process) finish(server *http.Server) (done bool, fatal error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.o.DrainTimeout)
	defer cancel()
	select {
	case <-time.After(p.o.DrainDelay):
	case fatal = <-p.fatal:
		return false, fatal
	}
	server.SetKeepAlivesEnabled(false)
	shut := make(chan error, 1)
	go func() { shut <- server.Shutdown(ctx) }()
	select {
	case fatal = <-p.fatal:
		return false, fatal
	case err := <-shut:
		return err == nil, nil
	}
}

// end stops the engine, which fails what is left: streams end with an event that says so,
// other requests with a 503. Only who does not take that in lastWords, or has still not
// taken a whole answer, ends with a broken connection: then it returns false. They are told
// that the router drains, or with fatal that it fails.
func end(server *http.Server, stop context.CancelCauseFunc, fatal error) (taken bool) {
	if fatal != nil {
		fatal = fmt.Errorf("%w: %w", engine.ErrFailed, fatal)
	}
	stop(fatal)
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	return server.Shutdown(ctx) == nil
}

// drained says what a drain had no time for, nil if there was nothing.
func (p *process) drained(ended int, taken bool) error {
	var left []string
	if ended > 0 {
		left = append(left, fmt.Sprintf("%d sequences were ended", ended))
	}
	if !taken {
		left = append(left, "answers that clients had not taken were cut off")
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("after a drain of %s: %s", p.o.DrainTimeout, strings.Join(left, " and "))
}
