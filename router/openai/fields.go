package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// fields reads the members of one JSON object. Each is taken once; what is
// left at the end is unknown. The first error is kept and the later reads
// give defaults, so that a parser reads as a list of its fields.
//
// null counts as absent, as OpenAI's clients send it for "not given".
type fields struct {
	path string // where the object is, for messages: "" or "stream_options."
	raw  map[string]json.RawMessage
	err  error
}

func parseObject(path string, raw json.RawMessage) (*fields, error) {
	f := &fields{path: path}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		if path == "" {
			return nil, badRequest("", "The body must be a JSON object.")
		}
		name := strings.TrimSuffix(path, ".")
		return nil, badRequest(name, "%s must be an object.", name)
	}
	if err := json.Unmarshal(raw, &f.raw); err != nil {
		return nil, badRequest(strings.TrimSuffix(path, "."), "%s", sentence(err.Error()))
	}
	return f, nil
}

func (f *fields) fail(name, format string, args ...any) {
	if f.err == nil {
		f.err = badRequest(f.path+name, "%s%s %s.", f.path, name, fmt.Sprintf(format, args...))
	}
}

// given says whether a member is there; one that is null is not, and is dropped.
func (f *fields) given(name string) bool {
	raw, ok := f.raw[name]
	if ok && string(raw) == "null" {
		delete(f.raw, name)
		return false
	}
	return ok
}

// take removes a member and says whether it was given.
func (f *fields) take(name string) (json.RawMessage, bool) {
	ok := f.given(name)
	raw := f.raw[name]
	delete(f.raw, name)
	return raw, ok && f.err == nil
}

// end reports the first error, or a member that was given and that nobody took.
func (f *fields) end() error {
	names := make([]string, 0, len(f.raw))
	for name := range f.raw {
		if f.given(name) {
			names = append(names, name)
		}
	}
	if f.err != nil || len(names) == 0 {
		return f.err
	}
	sort.Strings(names)
	name := f.path + clip(names[0])
	return badRequest(name, "Unrecognized request argument: %s.", name).withCode("unknown_parameter")
}

func (f *fields) number(name string, def, lo, hi float64) float64 {
	raw, ok := f.take(name)
	if !ok {
		return def
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case raw[0] != '-' && (raw[0] < '0' || raw[0] > '9'):
		f.fail(name, "must be a number, not %s", clip(string(raw)))
	case err != nil || x < lo || x > hi:
		f.fail(name, "must be between %v and %v, not %s", lo, hi, clip(string(raw)))
	default:
		return x
	}
	return def
}

func (f *fields) integer(name string, def, lo, hi int64) int64 {
	raw, ok := f.take(name)
	if !ok {
		return def
	}
	x, err := strconv.ParseInt(string(raw), 10, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		f.fail(name, "must be an integer, not %s", clip(string(raw)))
	case err != nil || x < lo || x > hi:
		f.fail(name, "must be %s, not %s", intRange(lo, hi), clip(string(raw)))
	default:
		return x
	}
	return def
}

func intRange(lo, hi int64) string {
	if hi == math.MaxInt64 && lo != math.MinInt64 {
		return fmt.Sprintf("at least %d", lo)
	}
	return fmt.Sprintf("between %d and %d", lo, hi)
}

func (f *fields) boolean(name string, def bool) bool {
	raw, ok := f.take(name)
	switch {
	case !ok:
		return def
	case string(raw) == "true":
		return true
	case string(raw) != "false":
		f.fail(name, "must be true or false, not %s", clip(string(raw)))
	}
	return false
}

func (f *fields) text(name, def string) string {
	raw, ok := f.take(name)
	if !ok {
		return def
	}
	s := def
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		f.fail(name, "must be a string, not %s", clip(string(raw)))
	}
	return s
}

// object opens a nested object; nil if it is absent or wrong.
func (f *fields) object(name string) *fields {
	raw, ok := f.take(name)
	if !ok {
		return nil
	}
	sub, err := parseObject(f.path+name+".", raw)
	if err != nil {
		f.err = err
		return nil
	}
	return sub
}

// close passes a nested object's error on.
func (f *fields) close(sub *fields) {
	if err := sub.end(); err != nil && f.err == nil {
		f.err = err
	}
}
