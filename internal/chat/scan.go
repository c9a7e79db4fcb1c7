package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNesting bounds brackets within brackets, because reading them recurses.
const maxNesting = 64

// token is a piece of a tag: a name, number, string or operator, or a
// bracketed group of tokens.
type token struct {
	text  string // operators and names as written, strings decoded, groups: the bracket
	kind  tokenKind
	group []token
}

type tokenKind uint8

const (
	operator tokenKind = iota
	name
	number
	text
	group
)

// is says whether the token is this operator or name.
func (t token) is(s string) bool { return t.kind <= name && t.text == s }

// scanTag reads tokens up to end ("}}" or "%}"), which may have a "-" or "+"
// before it: closing is what it read. rest is the source after it.
func scanTag(src, end string) (body []token, closing, rest string, err error) {
	s := &scanner{src: src}
	body, err = s.list(end, 0)
	return body, s.closing, s.src, err
}

type scanner struct {
	src     string // what is left
	closing string
	tokens  int
}

// list reads tokens up to end, which it takes.
func (s *scanner) list(end string, depth int) ([]token, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("more than %d brackets within brackets", maxNesting)
	}
	var out []token
	for {
		s.src = strings.TrimLeft(s.src, " \t\n\r")
		if s.ended(end) {
			return out, nil
		}
		if s.tokens++; s.tokens > maxTagTokens {
			return nil, fmt.Errorf("a tag of more than %d tokens", maxTagTokens)
		}
		t, err := s.token(depth)
		if err != nil {
			return nil, err
		}
		// 'a' 'b' is one string, as in Python.
		if n := len(out); n > 0 && t.kind == text && out[n-1].kind == text {
			out[n-1].text += t.text
			continue
		}
		out = append(out, t)
	}
}

func (s *scanner) ended(end string) bool {
	for _, control := range []string{"", "-", "+"} {
		if (len(end) == 2 || control == "") && strings.HasPrefix(s.src, control+end) {
			s.closing = control + end
			s.src = s.src[len(s.closing):]
			return true
		}
	}
	return false
}

func (s *scanner) token(depth int) (token, error) {
	if s.src == "" {
		return token{}, fmt.Errorf("a tag does not end")
	}
	r, _ := utf8.DecodeRuneInString(s.src)
	switch {
	case r == '\'' || r == '"':
		return s.string()
	case unicode.IsDigit(r):
		return s.take(number, s.numberLen()), nil
	case r == '_' || unicode.IsLetter(r):
		return s.name()
	case strings.ContainsRune("([{", r):
		s.src = s.src[1:]
		inner, err := s.list(map[rune]string{'(': ")", '[': "]", '{': "}"}[r], depth+1)
		return token{kind: group, text: string(r), group: inner}, err
	}
	for _, op := range []string{"==", "!=", "<=", ">=", "**", "//"} {
		if strings.HasPrefix(s.src, op) {
			return s.take(operator, 2), nil
		}
	}
	if !strings.ContainsRune("+-*/%~<>=|.,:", r) {
		return token{}, fmt.Errorf("unexpected %q in a tag", r)
	}
	return s.take(operator, 1), nil
}

func (s *scanner) take(k tokenKind, n int) token {
	t := token{kind: k, text: s.src[:n]}
	s.src = s.src[n:]
	return t
}

func (s *scanner) name() (token, error) {
	n := strings.IndexFunc(s.src, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if n < 0 {
		n = len(s.src)
	}
	t := s.take(name, n)
	// Names with two underscores are ours (operators.go) or a way into the
	// host language, which Jinja's sandbox refuses too.
	if strings.HasPrefix(t.text, "__") {
		return t, fmt.Errorf("the name %s is not allowed", t.text)
	}
	return t, nil
}

func (s *scanner) numberLen() int {
	n := 0
	for n < len(s.src) {
		c := s.src[n]
		dot := c == '.' && n+1 < len(s.src) && s.src[n+1] >= '0' && s.src[n+1] <= '9'
		sign := (c == '+' || c == '-') && n > 0 && s.src[n-1]|0x20 == 'e' && !strings.HasPrefix(s.src, "0x")
		if !dot && !sign && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		n++
	}
	return n
}
