package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// toJSONFilter is transformers' tojson: Python's json.dumps with ensure_ascii
// off, so "a": 1 has spaces, and no HTML is escaped.
func toJSONFilter(b *budget, in *exec.Value, args *exec.VarArgs) (any, error) {
	if err := b.spend(size(in)); err != nil {
		return nil, err
	}
	w := &jsonWriter{comma: ", ", colon: ": "}
	if err := w.options(args); err != nil {
		return nil, err
	}
	if err := w.value(in, 0); err != nil {
		return nil, err
	}
	return w.out.String(), b.spend(w.out.Len())
}

// maxSeparator bounds what stands between two values.
const maxSeparator = 16

type jsonWriter struct {
	out          strings.Builder
	indent       int // -1: all on one line
	ascii, sort  bool
	comma, colon string
}

func (w *jsonWriter) options(args *exec.VarArgs) error {
	w.indent = -1
	if v := arg(args, 1, "indent"); v != nil && !isNone(v) {
		if w.indent = v.Integer(); w.indent < 0 || w.indent > 16 {
			return fmt.Errorf("tojson: indent %d is not within 0..16", w.indent)
		}
		w.comma = ","
	}
	if v := arg(args, 2, "separators"); v != nil && !isNone(v) {
		if !v.IsList() || v.Len() != 2 {
			return fmt.Errorf("tojson: separators are not two texts")
		}
		w.comma, w.colon = at(deref(v), 0).String(), at(deref(v), 1).String()
		if len(w.comma) > maxSeparator || len(w.colon) > maxSeparator {
			return fmt.Errorf("tojson: a separator of more than %d bytes", maxSeparator)
		}
	}
	if v := arg(args, 0, "ensure_ascii"); v != nil {
		w.ascii = v.IsTrue()
	}
	if v := arg(args, 3, "sort_keys"); v != nil {
		w.sort = v.IsTrue()
	}
	return nil
}

func (w *jsonWriter) value(v *exec.Value, depth int) error {
	switch {
	case isNone(v):
		w.out.WriteString("null")
	case v.IsString():
		w.text(v.String())
	case isBool(v):
		w.out.WriteString(strings.ToLower(v.String()))
	case v.IsNumber():
		w.out.WriteString(v.String())
	case v.IsList():
		list := items(v)
		return w.all('[', ']', len(list), depth, func(i int) error { return w.value(list[i], depth+1) })
	case v.IsDict():
		pairs := entries(v)
		if w.sort {
			pairs = sorted(pairs)
		}
		return w.all('{', '}', len(pairs), depth, func(i int) error {
			w.text(show(pairs[i].Key))
			w.out.WriteString(w.colon)
			return w.value(pairs[i].Value, depth+1)
		})
	default:
		return fmt.Errorf("tojson: %s has no JSON form", kind(v))
	}
	return nil
}

// all writes n members between brackets.
func (w *jsonWriter) all(open, end byte, n, depth int, member func(i int) error) error {
	w.out.WriteByte(open)
	for i := range n {
		if i > 0 {
			w.out.WriteString(w.comma)
		}
		w.line(depth + 1)
		if err := member(i); err != nil {
			return err
		}
	}
	if n > 0 {
		w.line(depth)
	}
	w.out.WriteByte(end)
	return nil
}

func (w *jsonWriter) line(depth int) {
	if w.indent >= 0 {
		w.out.WriteString("\n" + strings.Repeat(" ", w.indent*depth))
	}
}

func (w *jsonWriter) text(s string) {
	var raw strings.Builder
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a Builder do not fail
	quoted := strings.TrimSuffix(raw.String(), "\n")
	// Go escapes these two for JavaScript; Python does not.
	quoted = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(quoted)
	for _, r := range quoted {
		switch {
		case !w.ascii || r < 0x80:
			w.out.WriteRune(r)
		case r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&w.out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&w.out, `\u%04x`, r)
		}
	}
}
