package chat

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// show is str(v): what {{ v }} prints. Undefined prints as nothing.
func show(v *exec.Value) string {
	if v.IsString() {
		return v.String()
	}
	var out strings.Builder
	writeRepr(&out, v)
	return out.String()
}

// writeRepr is repr(v), as Python shows a value within a list.
func writeRepr(out *strings.Builder, v *exec.Value) {
	switch {
	case v.IsString():
		writeQuoted(out, v.String())
	case v.IsList():
		out.WriteByte('[')
		for i, x := range items(v) {
			separate(out, i)
			writeRepr(out, x)
		}
		out.WriteByte(']')
	case v.IsDict():
		out.WriteByte('{')
		for i, p := range entries(v) {
			separate(out, i)
			writeRepr(out, p.Key)
			out.WriteString(": ")
			writeRepr(out, p.Value)
		}
		out.WriteByte('}')
	default:
		out.WriteString(v.String())
	}
}

func separate(out *strings.Builder, i int) {
	if i > 0 {
		out.WriteString(", ")
	}
}

// writeQuoted picks the quote as Python does: double only where that saves
// escaping.
func writeQuoted(out *strings.Builder, s string) {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	out.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r == '\r':
			out.WriteString(`\r`)
		case r < 0x100 && !unicode.IsPrint(r):
			fmt.Fprintf(out, `\x%02x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteRune(quote)
}
