package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// string reads a string literal and decodes its escapes as Python does.
func (s *scanner) string() (token, error) {
	quote := s.src[0]
	for i := 1; i < len(s.src); i++ {
		switch s.src[i] {
		case '\\':
			i++
		case quote:
			value := unescape(s.src[1:i])
			s.src = s.src[i+1:]
			return token{kind: text, text: value}, nil
		}
	}
	return token{}, fmt.Errorf("a string does not end")
}

// simpleEscapes are Python's one-letter escapes.
var simpleEscapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '\'': "'", '"': "\"",
	'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '\n': "",
}

// hexEscapes are the escapes with a fixed number of hex digits.
var hexEscapes = map[byte]int{'x': 2, 'u': 4, 'U': 8}

func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		if simple, ok := simpleEscapes[s[i]]; ok {
			out.WriteString(simple)
			continue
		}
		if n := hexEscapes[s[i]]; n > 0 && i+n < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32); err == nil {
				out.WriteRune(rune(v))
				i += n
				continue
			}
		}
		out.WriteByte('\\') // an unknown escape stays as it is
		out.WriteByte(s[i])
	}
	return out.String()
}

// quoted writes a string so that gonja reads it back exactly: its lexer and
// parser disagree on backslashes and quotes, so those become \x escapes.
func quoted(s string) string {
	var out strings.Builder
	out.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\\' || r == '\'' || r == '"' || r < ' ':
			fmt.Fprintf(&out, `\x%02x`, r)
		case r >= utf8.RuneSelf:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('\'')
	return out.String()
}
