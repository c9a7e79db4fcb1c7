package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxDepth of nested arrays and objects. Prompts need 2, messages 4; the rest
// is for chat_template_kwargs. It bounds the recursion of what decodes them.
const maxDepth = 32

// maxKeys of an object: logit_bias may have maxLogitBias. In memory each takes many times
// its bytes.
const maxKeys = 4096

// checkJSON refuses bodies that two readers could understand differently:
// invalid UTF-8, a duplicate key (the first or the last may count), half a
// surrogate pair, anything after the value. encoding/json alone lets all but
// the last pass.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return errors.New("the body is not valid UTF-8")
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("the body is empty; a JSON object is expected")
	}
	var v json.RawMessage
	if err := json.Unmarshal(body, &v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("the body is not valid JSON: %w (byte %d)", err, syntax.Offset)
		}
		return fmt.Errorf("the body is not valid JSON: %w", err)
	}
	w := walker{b: body}
	return w.walk()
}

// walker goes once over a document that is known to be valid JSON, so it only
// has to tell strings, keys and nesting apart.
type walker struct {
	b    []byte
	pos  int
	open []level
}

// level is one array or object that is still open. seen is nil in an array.
type level struct {
	seen      map[string]bool
	expectKey bool
}

func (w *walker) walk() error {
	for w.pos < len(w.b) {
		switch c := w.b[w.pos]; c {
		case '{', '[':
			if len(w.open) == maxDepth {
				return fmt.Errorf("the JSON is nested deeper than %d levels", maxDepth)
			}
			w.push(c == '{')
		case '}', ']':
			w.open = w.open[:len(w.open)-1]
		case ',':
			w.top().expectKey = w.top().seen != nil
		case '"':
			if err := w.text(); err != nil {
				return err
			}
			continue
		}
		w.pos++
	}
	return nil
}

func (w *walker) top() *level { return &w.open[len(w.open)-1] }

func (w *walker) push(object bool) {
	l := level{expectKey: object}
	if object {
		l.seen = map[string]bool{}
	}
	w.open = append(w.open, l)
}

// text reads the string at pos; if it is a key, it must be a new one.
func (w *walker) text() error {
	start := w.pos
	for w.pos++; w.b[w.pos] != '"'; w.pos++ {
		if w.b[w.pos] != '\\' {
			continue
		}
		w.pos++
		if w.b[w.pos] == 'u' {
			if err := w.surrogate(); err != nil {
				return err
			}
		}
	}
	w.pos++
	if len(w.open) == 0 || !w.top().expectKey {
		return nil
	}
	return w.key(w.b[start:w.pos])
}

func (w *walker) key(quoted []byte) error {
	var key string
	if err := json.Unmarshal(quoted, &key); err != nil {
		return err
	}
	switch l := w.top(); {
	case l.seen[key]:
		return fmt.Errorf("the key %q is given twice", key)
	case len(l.seen) == maxKeys:
		return fmt.Errorf("an object has more than %d keys", maxKeys)
	default:
		l.seen[key], l.expectKey = true, false
	}
	return nil
}

// surrogate checks the \u escape whose u is at pos: a high surrogate must be
// followed by a low one. pos is left on the escape's last digit.
func (w *walker) surrogate() error {
	unit := w.unit(w.pos + 1)
	w.pos += 4
	switch {
	case unit < 0xD800 || unit > 0xDFFF:
		return nil
	case unit < 0xDC00 && bytes.HasPrefix(w.b[w.pos+1:], []byte(`\u`)):
		if low := w.unit(w.pos + 3); low >= 0xDC00 && low <= 0xDFFF {
			w.pos += 6
			return nil
		}
	}
	return errors.New("a string has half a surrogate pair, which is no character")
}

func (w *walker) unit(at int) uint64 {
	n, _ := strconv.ParseUint(string(w.b[at:at+4]), 16, 16) // valid JSON: four hex digits
	return n
}
