package local

import (
	"context"
	"sync"
	"time"
)

var (
	now, killNow = context.WithCancel(context.Background()) // now ends when processes are killed
	pools        sync.WaitGroup                             // that are not closed
)

// killTimeout bounds how long KillAll waits: those who run the pools have to stop, too.
const killTimeout = 2 * time.Second

// KillAll kills the processes of all pools, which are being stopped already, and returns when
// the pools are closed.
func KillAll() {
	killNow()
	closed := make(chan struct{})
	go func() { defer close(closed); pools.Wait() }()
	select {
	case <-closed:
	case <-time.After(killTimeout):
	}
}
