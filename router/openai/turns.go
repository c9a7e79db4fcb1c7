package openai

import (
	"context"
	"time"
)

// turns are few places for work on texts, which costs much CPU or memory; who finds all
// of them taken waits.
type turns struct {
	places  chan struct{}
	timeout time.Duration
}

func newTurns(places int, timeout time.Duration) turns {
	return turns{make(chan struct{}, places), timeout}
}

// enter waits for a place. Who waits for long is sent away, because its body is
// held. A client that hangs up meanwhile is not worked for.
func (t turns) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-t.places }
	select {
	case t.places <- struct{}{}:
		return leave, nil
	default:
	}
	late := time.NewTimer(t.timeout)
	defer late.Stop()
	select {
	case t.places <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, errClientGone
	case <-late.C:
		return nil, overloaded("The server is working on as many texts as it can. Try again shortly.")
	}
}
