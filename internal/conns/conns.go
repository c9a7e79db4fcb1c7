// Package conns is about the connections of a pod's servers: how many there may be (bound), of
// HTTP (this file) and of gRPC (calls), and where HTTP tells what goes wrong with them.
package conns

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"

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
	b := newBound(most)
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

// changed is the server's hook. A connection is new or idle until the whole header of a request
// is there.
func (b *bound) changed(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case http.StateNew:
		if !b.admit(c) {
			_ = c.Close()
		}
	case http.StateClosed, http.StateHijacked:
		b.forget(c)
	default:
		b.move(c, true)
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
