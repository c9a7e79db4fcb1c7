package openai

import (
	"bytes"
	"fmt"
	"net/http"
)

// sse writes server-sent events. The status line goes out with the first of
// them: until then an error can still have its own status.
type sse struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	buf     bytes.Buffer
	started bool
}

func newSSE(w http.ResponseWriter) *sse {
	return &sse{w: w, rc: http.NewResponseController(w)}
}

// send writes one event of JSON and flushes it.
func (e *sse) send(v any) error {
	e.buf.Reset()
	e.buf.WriteString("data: ")
	if err := encodeJSON(&e.buf, v); err != nil {
		return err
	}
	e.buf.WriteByte('\n') // encodeJSON wrote the first of the two newlines
	return e.flush()
}

// done ends a stream that went well.
func (e *sse) done() error {
	e.buf.Reset()
	e.buf.WriteString("data: [DONE]\n\n")
	return e.flush()
}

// keepAlive is an empty line, which ends no event where none has begun and which proxies count as
// traffic. Comments are for this too, but vLLM's and SGLang's benchmark clients lose what follows
// one (docs/adr/0052).
func (e *sse) keepAlive() error {
	e.buf.Reset()
	e.buf.WriteByte('\n')
	return e.flush()
}

// flush writes the buffer at once.
func (e *sse) flush() error {
	if !e.started {
		h := e.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // nginx would collect the events otherwise
		e.w.WriteHeader(http.StatusOK)
		e.started = true
	}
	if _, err := e.w.Write(e.buf.Bytes()); err != nil {
		return err
	}
	if err := e.rc.Flush(); err != nil {
		return fmt.Errorf("%w: %v", errClientGone, err)
	}
	return nil
}
