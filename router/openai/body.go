package openai

import (
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// withBody reads a request's JSON object and hands it to read. Until that returns the body
// counts among those that are held, and from its last byte on the request among those that
// are read, also while it waits for a turn: its connection may not be closed for a new one
// (conns.Bound). Who waits, is answered or reads an answer after it is bounded by other limits.
func (s *Server) withBody(w http.ResponseWriter, r *http.Request, read func(*fields) error) error {
	held := &heldBody{from: r.Body, room: &s.bodies}
	defer held.release()
	body, err := s.readBody(w, r, held)
	if err != nil {
		return err
	}
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	default:
		return tooManyBodies()
	}
	if err := checkJSON(body); err != nil {
		return badRequest("", "%s", sentence(err.Error()))
	}
	f, err := parseObject("", body)
	if err != nil {
		return err
	}
	return read(f)
}

func tooManyBodies() error {
	return overloaded("The server is reading as many requests as it can. Try again shortly.")
}

// heldBody takes of the room for all bodies what has come of its own: one that is announced
// and does not come shuts nobody out.
type heldBody struct {
	from io.Reader
	room *atomic.Int64
	size int64
}

var errNoRoom = errors.New("openai: too many bodies")

func (h *heldBody) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	if h.room.Add(-int64(n)) < 0 && n > 0 {
		h.room.Add(int64(n)) // others may need less
		return n, errNoRoom
	}
	h.size += int64(n)
	return n, err
}

func (h *heldBody) release() {
	h.room.Add(h.size)
	h.size = 0
}

// readBody reads a request's body within the limits of size and time.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, held *heldBody) ([]byte, error) {
	if err := checkMediaType(r); err != nil {
		return nil, err
	}
	body, err := s.readLimited(r, held)
	if err != nil {
		return nil, s.bodyError(err)
	}
	// The deadline that wrap has set is for the body alone: while the answer is
	// computed the server goes on reading, to see the client hang up.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, nil
}

// drainBytes of a body for which there is no room are read and dropped, within the
// body's deadline: most clients send everything before they look at the
// answer, and would see a broken connection and not the reason.
const drainBytes = 64 << 20

var errTooLarge = errors.New("openai: body too large")

func (s *Server) readLimited(r *http.Request, held *heldBody) ([]byte, error) {
	why := errTooLarge
	if r.ContentLength <= s.MaxBody {
		body, err := io.ReadAll(io.LimitReader(held, s.MaxBody+1))
		switch {
		case errors.Is(err, errNoRoom):
			why = err
		case err != nil || int64(len(body)) <= s.MaxBody:
			return body, err
		}
	}
	held.release()
	if r.Header.Get("Expect") == "" { // else the client waits for our word, and gets the answer
		_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
	}
	return nil, why
}

func (s *Server) bodyError(err error) error {
	switch {
	case errors.Is(err, errNoRoom):
		return tooManyBodies()
	case errors.Is(err, errTooLarge):
		return newError(http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large",
			"The request body is larger than "+sizeText(s.MaxBody)+", this server's limit.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newError(http.StatusRequestTimeout, "invalid_request_error", "request_timeout",
			"The request body did not arrive within "+s.BodyTimeout.String()+".")
	}
	e := badRequest("", "The request body could not be read: %s", sentence(err.Error()))
	e.brokenOff = brokenOff(err)
	return e
}

// brokenOff says that a body ended before its end, not that what came of it is wrong.
func brokenOff(err error) bool {
	var broken *net.OpError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken)
}

// checkMediaType refuses what is certainly not JSON. A missing type and curl's default for
// -d pass, for the body is checked to be JSON anyway; but not from a browser (Origin): these
// any page may send, without asking first, and only a type of JSON makes the browser ask.
func checkMediaType(r *http.Request) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return newError(http.StatusUnsupportedMediaType, "invalid_request_error", "unsupported_media_type",
			"Content-Encoding "+e+" is not supported; send the body as it is.")
	}
	kind := r.Header.Get("Content-Type")
	t, _, err := mime.ParseMediaType(kind)
	switch {
	case err == nil && (t == "application/json" || strings.HasSuffix(t, "+json")):
		return nil
	case r.Header["Origin"] == nil && (kind == "" || err == nil && t == "application/x-www-form-urlencoded"):
		return nil
	}
	return newError(http.StatusUnsupportedMediaType, "invalid_request_error", "unsupported_media_type",
		"The Content-Type must be application/json.")
}
