package openai

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// readBody reads a request's JSON object within the limits of size and time.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (*fields, error) {
	if err := checkMediaType(r); err != nil {
		return nil, err
	}
	body, err := s.readLimited(r)
	if err != nil {
		return nil, s.bodyError(err)
	}
	// The deadline that wrap has set is for the body alone: while the answer is
	// computed the server goes on reading, to see the client hang up.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if err := checkJSON(body); err != nil {
		return nil, badRequest("", "%s", sentence(err.Error()))
	}
	return parseObject("", body)
}

// drainBytes of a body that is too large are read and dropped, within the
// body's deadline: most clients send everything before they look at the
// answer, and would see a broken connection and not the reason.
const drainBytes = 64 << 20

var errTooLarge = errors.New("openai: body too large")

func (s *Server) readLimited(r *http.Request) ([]byte, error) {
	if r.ContentLength <= s.MaxBody {
		body, err := io.ReadAll(io.LimitReader(r.Body, s.MaxBody+1))
		if err != nil || int64(len(body)) <= s.MaxBody {
			return body, err
		}
	}
	if r.Header.Get("Expect") == "" { // else the client waits for our word, and gets the answer
		_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
	}
	return nil, errTooLarge
}

func (s *Server) bodyError(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return newError(http.StatusRequestEntityTooLarge, "invalid_request_error", "request_too_large",
			"The request body is larger than "+sizeText(s.MaxBody)+", this server's limit.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newError(http.StatusRequestTimeout, "invalid_request_error", "request_timeout",
			"The request body did not arrive within "+s.BodyTimeout.String()+".")
	}
	return badRequest("", "The request body could not be read: %s", sentence(err.Error()))
}

// checkMediaType refuses what is certainly not JSON. A missing type and curl's
// default for -d pass: the body is checked to be JSON anyway.
func checkMediaType(r *http.Request) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return newError(http.StatusUnsupportedMediaType, "invalid_request_error", "unsupported_media_type",
			"Content-Encoding "+e+" is not supported; send the body as it is.")
	}
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "", err == nil && (t == "application/json" || t == "application/x-www-form-urlencoded" || strings.HasSuffix(t, "+json")):
		return nil
	}
	return newError(http.StatusUnsupportedMediaType, "invalid_request_error", "unsupported_media_type",
		"The Content-Type must be application/json.")
}
