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
	// spareConnections are for clients that keep some, or have not sent a request yet, and for
	// requests that are read, beside one for each that is answered. With unfinished headers of
	// 64 KiB a thousand take some 150 MB.
	spareConnections = 3 * DefaultMaxRequests
)

// NewHTTPServer makes the server that Handler is meant for, for so many requests at a
// time (Options.MaxRequests). There is no read or write timeout for the whole connection:
// an answer may take minutes. The handlers set deadlines for the body and for each write
// instead.
func NewHTTPServer(addr string, h http.Handler, requests int) *http.Server {
	s := &http.Server{Addr: addr, Handler: h, ReadHeaderTimeout: headerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes}
	conns.Bound(s, requests+spareConnections)
	return s
}
