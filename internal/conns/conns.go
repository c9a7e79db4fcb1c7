// Package conns is about the connections of a pod's HTTP server: how many there may be, and
// where it tells what goes wrong with them.
package conns

import (
	"container/list"
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/go-logr/logr"
)

// Bound lets a server have at most so many connections (invariant 8). Past that number a new
// one takes the place of the one on which nothing has happened for longest, instead of waiting
// for it: whoever holds connections open must not shut out the kubelet, which would restart the
// pod. A request whose body has been read to its end keeps its connection until it is answered.
// How many there may be of these, fewer than most, is the handler's to bound; where it does not,
// the new connection is the one that is closed.
//
// It wraps the handler that s has by then.
func Bound(s *http.Server, most int) {
	b := &bound{most: most, places: map[net.Conn]*list.Element{}}
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connection{}, c)
	}
	s.ConnState = b.changed
	s.Handler = b.handler(s.Handler)
}

// ErrorLog is for an http.Server, which otherwise writes plain text between the lines of log.
func ErrorLog(l logr.Logger) *log.Logger {
	return slog.NewLogLogger(logr.ToSlogHandler(l), slog.LevelError)
}

// connection is the key of a request's net.Conn.
type connection struct{}

// bound is a server's connections.
type bound struct {
	most int

	mu     sync.Mutex
	quiet  list.List                  // of those that may be closed, the longest quiet one first
	places map[net.Conn]*list.Element // of all: its place in quiet, or nil
}

// changed is the server's hook. A connection is new or idle until the whole header of a request
// is there.
func (b *bound) changed(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case http.StateNew:
		b.admit(c)
	case http.StateClosed, http.StateHijacked:
		b.forget(c)
	default:
		b.move(c, true)
	}
}

// admit makes room for a connection and counts it. The server hears of those that are closed
// here by their next reading or writing, and ends them as any that is broken.
func (b *bound) admit(c net.Conn) {
	if len(b.places) >= b.most {
		longest := b.quiet.Front()
		if longest == nil {
			_ = c.Close()
			return
		}
		victim := longest.Value.(net.Conn)
		b.forget(victim)
		_ = victim.Close()
	}
	b.places[c] = b.quiet.PushBack(c)
}

func (b *bound) forget(c net.Conn) {
	if place := b.places[c]; place != nil {
		b.quiet.Remove(place)
	}
	delete(b.places, c)
}

// move notes that something has happened on a connection, and whether it may be closed.
func (b *bound) move(c net.Conn, closable bool) {
	if _, ok := b.places[c]; !ok {
		return // closed in the meantime
	}
	b.forget(c)
	b.places[c] = nil
	if closable {
		b.places[c] = b.quiet.PushBack(c)
	}
}

// handler keeps the connections of requests that are whole.
func (b *bound) handler(h http.Handler) http.Handler {
	set := func(c net.Conn, closable bool) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.move(c, closable)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connection{}).(net.Conn)
		if !ok || r.Body == http.NoBody { // a GET is answered at once
			h.ServeHTTP(w, r)
			return
		}
		inner := *r // the server knows the body of its own request by its type
		inner.Body = &body{r.Body, func(whole bool) { set(c, !whole) }}
		defer set(c, true)
		h.ServeHTTP(w, &inner)
	})
}

// body tells when something of it has come, and whether that was its end.
type body struct {
	io.ReadCloser
	came func(whole bool)
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 || err == io.EOF { //nolint:errorlint // readers return it as it is
		b.came(err == io.EOF) //nolint:errorlint // likewise
	}
	return n, err
}
