package openai

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const requestIDHeader = "X-Request-Id"

// recorder notes the status, so that it can be counted and a late panic is not
// answered twice. Each write has its own deadline, so that a stream may stay for hours: a
// client that stops reading is dropped after it, and so is one that takes too little of a
// large answer, which holds a place (invariant 8).
type recorder struct {
	http.ResponseWriter
	timeout time.Duration
	status  int
}

// writePiece is what a client must take in each further timeout of what is written at
// once: an answer as a whole may have tens of megabytes. With 30 s it is 70 kB/s.
const writePiece = 2 << 20

func (r *recorder) WriteHeader(status int) {
	r.begin(status, 0)
	r.ResponseWriter.WriteHeader(status)
}

// Write fails with errClientGone: what cannot be written has nobody who reads it, and is
// counted so even where a page's handler drops the error.
func (r *recorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK, len(b))
	n, err := r.ResponseWriter.Write(b)
	if err != nil {
		r.status = statusGone
		return n, fmt.Errorf("%w: %v", errClientGone, err)
	}
	return n, nil
}

// begin is before every write, the header's too.
func (r *recorder) begin(status, size int) {
	if r.status == 0 {
		r.status = status
	}
	timeout := time.Duration(float64(r.timeout) * (1 + float64(size)/writePiece))
	// Not every writer has deadlines (tests).
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(timeout))
}

// Unwrap lets http.ResponseController reach the connection's deadlines and Flush.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// wrap is around every handler: request id, metrics, errors, panics. path is
// the label of the metrics.
func (s *Server) wrap(path string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, timeout: s.WriteTimeout}
		r.Header.Set(requestIDHeader, requestID(r))
		rec.Header().Set(requestIDHeader, r.Header.Get(requestIDHeader))
		// What of a body is never read is dropped by net/http after the answer: bounded
		// too. readBody lifts the deadline once it has the body.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.BodyTimeout))
		s.Metrics.inFlight.Inc()
		defer func() {
			s.Metrics.inFlight.Dec()
			s.Metrics.requests.WithLabelValues(path, codeLabel(rec.status)).Inc()
		}()
		defer s.recoverPanic(rec, r)
		if err := h(rec, r); err != nil {
			s.answerError(rec, r, err)
		}
	})
}

// statusGone counts requests whose client has not sent its whole request or not got the
// whole answer, whatever status that began with. It is nginx's number for a client that hung up.
const statusGone = 499

func codeLabel(status int) string {
	if status == 0 {
		status = statusGone
	}
	return strconv.Itoa(status)
}

// answerError answers with what err means to the client. Where the client has hung
// up the connection is cut: net/http would end the answer in order, or send an empty
// 200, and a client that only closed its own half could take that for a whole answer.
func (s *Server) answerError(w *recorder, r *http.Request, err error) {
	if gone(r.Context(), err) || errors.Is(err, errClientGone) {
		w.status = statusGone
		panic(http.ErrAbortHandler)
	}
	api := toAPI(err)
	s.logFault(r, api, err)
	if w.status == 0 { // else the answer has begun, and nothing may be added
		writeError(w, api)
	}
	if api.brokenOff { // told nevertheless: it may have closed only its own half
		w.status = statusGone
	}
}

// logFault logs what is our fault; what is the client's is counted only.
func (s *Server) logFault(r *http.Request, api *apiError, err error) {
	if api.status == http.StatusInternalServerError {
		s.Log.Error(err, "request failed", "path", r.URL.Path, "requestID", r.Header.Get(requestIDHeader))
	}
}

// recoverPanic turns a panic into a 500. If the answer has begun, the
// connection is cut instead, so that the client cannot take it for complete.
func (s *Server) recoverPanic(w *recorder, r *http.Request) {
	v := recover()
	switch v {
	case nil:
		return
	case http.ErrAbortHandler: // no fault: the connection is to be cut
		panic(v)
	}
	s.Log.Error(fmt.Errorf("panic: %v", v), "request failed", "path", r.URL.Path,
		"requestID", r.Header.Get(requestIDHeader), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	writeError(w, toAPI(fmt.Errorf("panic: %v", v)))
}

func (s *Server) authorised(h handler) handler {
	if s.APIKey == "" {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(key), []byte(s.APIKey)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			return newError(http.StatusUnauthorized, "invalid_request_error", "invalid_api_key",
				"Incorrect API key: send the server's key as Authorization: Bearer KEY.")
		}
		return h(w, r)
	}
}

// requestID is the client's if it is short and printable, else a new one.
func requestID(r *http.Request) string {
	const longest = 128
	id := r.Header.Get(requestIDHeader)
	if id == "" || len(id) > longest {
		return "req_" + newID()
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return "req_" + newID()
		}
	}
	return id
}

// newID is 128 random bits as hex.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (documented since Go 1.24)
	return hex.EncodeToString(b[:])
}
