package checkpoint

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// fields reads the members of one JSON object by name. The first error sticks,
// so that a caller can read everything and check once.
type fields struct {
	path string
	raw  map[string]json.RawMessage
	err  error
}

// newFields parses raw as a JSON object found at path.
func newFields(path string, raw []byte) (*fields, error) {
	members, err := parseObject(raw)
	if err != nil {
		return nil, fileError(path, "is not a usable JSON object", err)
	}
	f := &fields{path: path, raw: map[string]json.RawMessage{}}
	for _, m := range members {
		f.raw[m.name] = m.value
	}
	return f, nil
}

// has reports whether name is present and not null.
func (f *fields) has(name string) bool {
	v, ok := f.raw[name]
	return ok && string(v) != "null"
}

// fail records the first error.
func (f *fields) fail(name, format string, args ...any) {
	if f.err == nil {
		f.err = fieldError(f.path, name, fmt.Sprintf(format, args...))
	}
}

// size reads a whole number from 1 to most; def if the field is absent.
func (f *fields) size(name string, def, most int) int {
	raw, ok := f.raw[name]
	if !ok {
		return def
	}
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 1 || n > most {
		f.fail(name, "is %s, want a whole number from 1 to %d", clip(raw), most)
		return def
	}
	return n
}

// positive reads a finite number above 0; def if the field is absent.
func (f *fields) positive(name string, def float64) float64 {
	raw, ok := f.raw[name]
	if !ok {
		return def
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || x <= 0 || x > math.MaxFloat32 || float32(x) == 0 {
		f.fail(name, "is %s, want a number above 0 that float32 can hold", clip(raw))
		return def
	}
	return x
}

// boolean reads true or false; false if the field is absent.
func (f *fields) boolean(name string) bool {
	switch raw, ok := f.raw[name]; {
	case !ok, string(raw) == "false":
		return false
	case string(raw) == "true":
		return true
	default:
		f.fail(name, "is %s, want true or false", clip(raw))
		return false
	}
}

// text reads a string; def if the field is absent or null.
func (f *fields) text(name, def string) string {
	if !f.has(name) {
		return def
	}
	var s string
	if err := json.Unmarshal(f.raw[name], &s); err != nil {
		f.fail(name, "is %s, want a string", clip(f.raw[name]))
		return def
	}
	return s
}

// object reads a nested object; nil if the field is absent or null.
func (f *fields) object(name string) *fields {
	if !f.has(name) {
		return nil
	}
	sub, err := newFields(f.path, f.raw[name])
	if err != nil {
		f.fail(name, "is %s, want an object", clip(f.raw[name]))
		return nil
	}
	return sub
}

// clip shortens a JSON value for an error message.
func clip(raw json.RawMessage) string {
	const limit = 40
	if len(raw) <= limit {
		return string(raw)
	}
	return strconv.QuoteToASCII(string(raw[:limit])) + "…"
}
