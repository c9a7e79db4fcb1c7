package openai

import (
	"net/http"
	"time"

	"github.com/olmoe-serving/olmoe-operator/internal/conns"
)

// Bounds of connections before a handler sees a request (invariant 8).
const (
	headerTimeout  = 10 * time.Second  // a client that sends headers slowly
	idleTimeout    = 120 * time.Second // a kept connection between requests
	maxHeaderBytes = 64 << 10          // no client of this API comes near
	// maxConnections leaves room for clients that keep some, and wait, beside all requests
	// that are answered at once. With unfinished headers of 64 KiB they take some 300 MB.
	maxConnections = 4 * DefaultMaxRequests
)

// NewHTTPServer makes the server that Handler is meant for. There is no read or
// write timeout for the whole connection: an answer may take minutes. The
// handlers set deadlines for the body and for each write instead.
func NewHTTPServer(addr string, h http.Handler) *http.Server {
	s := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: headerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes}
	conns.Bound(s, maxConnections)
	return s
}
