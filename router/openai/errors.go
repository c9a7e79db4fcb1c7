package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/olmoe-serving/olmoe-operator/router/engine"
)

// apiError is an error as OpenAI's clients read it. Its text goes to the
// client, so it never holds more than the client may know.
type apiError struct {
	status     int
	retryAfter int  // seconds; 0 = no Retry-After header
	brokenOff  bool // the client went before its request was whole, as far as can be told

	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (e *apiError) Error() string { return e.Message }

type errorBody struct {
	Error *apiError `json:"error"`
}

func newError(status int, kind, code, message string) *apiError {
	e := &apiError{status: status, Type: kind, Message: message}
	if code != "" {
		e.Code = &code
	}
	return e
}

// badRequest is a 400 about one field ("" = the body as a whole).
func badRequest(param, format string, args ...any) *apiError {
	e := newError(http.StatusBadRequest, "invalid_request_error", "", fmt.Sprintf(format, args...))
	if param != "" {
		e.Param = &param
	}
	return e
}

func (e *apiError) withCode(code string) *apiError {
	e.Code = &code
	return e
}

// overloaded is a 429 that the clients retry by themselves.
func overloaded(message string) *apiError {
	e := newError(http.StatusTooManyRequests, "rate_limit_error", "rate_limit_exceeded", message)
	e.retryAfter = 1
	return e
}

// longestRetry is the longest Retry-After: some clients ignore those above a minute.
const longestRetry = time.Minute

// after tells the client to stay away for as long as the first in the queue has waited:
// with a queue that has just filled up that is a second, and more from try to try.
func (e *apiError) after(err error) *apiError {
	var busy *engine.BusyError
	if errors.As(err, &busy) {
		e.retryAfter = max(e.retryAfter, int(min(busy.Waited, longestRetry).Seconds()))
	}
	return e
}

func unavailable(retryAfter int, message string) *apiError {
	e := newError(http.StatusServiceUnavailable, "server_error", "service_unavailable", message)
	e.retryAfter = retryAfter
	return e
}

// errClientGone ends a request whose client has hung up: there is nobody to
// answer.
var errClientGone = errors.New("the client has gone")

// toAPI maps any error to what the client sees. What is not known here is an
// internal fault: it is logged in full and told in general words.
func toAPI(err error) *apiError {
	var api *apiError
	switch {
	case errors.As(err, &api):
		return api
	case errors.Is(err, engine.ErrQueueFull):
		return overloaded("The server's request queue is full. Try again shortly.").after(err)
	case errors.Is(err, engine.ErrQueueWait):
		return overloaded("The request waited too long for its turn: the server has more than it can answer. Try again later.").after(err)
	case errors.Is(err, engine.ErrDraining):
		return unavailable(1, "This server is shutting down. Try again: another one will answer.")
	case errors.Is(err, engine.ErrFailed):
		return unavailable(1, "This server cannot serve on and restarts: its model was changed, or it failed. Try again: another one will answer.")
	case errors.Is(err, engine.ErrNotReady):
		return unavailable(5, "The model is not fully loaded: some experts have no ready node. Try again shortly.")
	case errors.Is(err, engine.ErrContextFull):
		return badRequest("prompt", "%s", sentence(err.Error())).withCode("context_length_exceeded")
	case errors.Is(err, engine.ErrTokenRange):
		return badRequest("prompt", "%s", sentence(err.Error()))
	}
	return newError(http.StatusInternalServerError, "server_error", "internal_error", "The server had an error while processing the request.")
}

// gone says that the request's own context is what ended it.
func gone(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, errClientGone))
}

func writeError(w http.ResponseWriter, e *apiError) {
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	_ = writeJSON(w, e.status, errorBody{e}) // so short that it is sent later
}
